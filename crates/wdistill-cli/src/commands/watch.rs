//! `wdistill watch`: the report of a run that goes on, as a page that loads itself again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use wdistill_base::Problem;
use wdistill_pipeline::{RunFolder, watch};
use wdistill_report::live_html;

use crate::commands::print;
use crate::errors::as_problem;

/// Arguments of `wdistill watch`.
#[derive(Args)]
pub struct Watch {
    /// Folder of the run
    run: PathBuf,
    /// Address to listen at; 0.0.0.0 is all that the machine has, and then everybody who reaches it can read the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen at; 0 is any that is free
    #[arg(long, value_name = "N", default_value_t = 5001)]
    port: u16,
    /// Seconds until the page loads itself again
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
}

/// A page is asked for in less; who is slower is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of a request that are read.
const MOST_BYTES: u64 = 16_384;

impl Watch {
    pub fn run(self) -> anyhow::Result<()> {
        let fact = format!("{} is not the folder of a run", self.run.display());
        let is_run = RunFolder::is_used(&self.run);
        ensure!(is_run, Problem::with_hint(fact, "it is what --out named"));
        // What is wrong with the folder is said now.
        watch(&self.run)?;
        let place = format!("{}:{}", self.host, self.port);
        let listener = TcpListener::bind(&place).with_context(|| {
            format!("cannot listen at {place}; --port 0 takes any that is free")
        })?;
        print(&format!("http://{}; Ctrl-C ends it, and not the run", listener.local_addr()?))?;
        for stream in listener.incoming().flatten() {
            // A reader that goes away is none that anybody waits for.
            let _ = self.answer(stream);
        }
        Ok(())
    }

    /// Reads a request and answers it.
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = BufReader::new((&stream).take(MOST_BYTES));
        let mut first = String::new();
        request.read_line(&mut first)?;
        let mut line = String::new();
        while request.read_line(&mut line)? > 2 {
            line.clear();
        }
        let mut words = first.split_whitespace();
        let (status, kind, body) = match (words.next(), words.next()) {
            (Some("GET" | "HEAD"), Some("/")) => self.page(),
            (Some("GET" | "HEAD"), _) => text("404 Not Found", "there is one page, /"),
            _ => text("405 Method Not Allowed", "GET / has the page"),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let body = if first.starts_with("HEAD") { "" } else { &body };
        (&stream).write_all((head + body).as_bytes())
    }

    fn page(&self) -> (&'static str, &'static str, String) {
        match watch(&self.run) {
            Ok((report, stages)) => {
                ("200 OK", "text/html", live_html(&report, &stages, self.every))
            }
            Err(error) => text("500 Internal Server Error", &as_problem(&error.into()).in_lines()),
        }
    }
}

fn text(status: &'static str, text: &str) -> (&'static str, &'static str, String) {
    (status, "text/plain", format!("{text}\n"))
}
