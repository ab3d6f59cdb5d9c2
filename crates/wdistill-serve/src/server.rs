//! Connections: accepted, served, and drained at the end.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, Semaphore};
use wdistill_base::Hinted;
use wdistill_runtime::TranslatorOptions;

use crate::app::{App, Tell};
use crate::decoders::Decoders;
use crate::metrics::Metrics;
use crate::models::{Catalogue, Models};
use crate::options::{Access, Limits};
use crate::routes::router;

/// How to serve.
pub struct ServerOptions {
    /// Which models.
    pub catalogue: Catalogue,
    /// How to translate; `threads` are those that translate, of all models together.
    pub translator: TranslatorOptions,
    /// Bytes of weights that may be in memory.
    pub memory: Option<u64>,
    /// What is refused.
    pub limits: Limits,
    /// Who may ask.
    pub access: Access,
    /// Tells the operator what only he can mend.
    pub tell: Tell,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The system gave no threads.
    #[error("cannot start threads: {0}")]
    Threads(std::io::Error),
}

impl Hinted for ServeError {
    fn hint(&self) -> Option<String> {
        match self {
            ServeError::Listen { reason, .. } if reason.kind() == ErrorKind::AddrInUse => {
                Some("another program listens there; --port names another port".into())
            }
            ServeError::Listen { .. } | ServeError::Threads(_) => None,
        }
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    runtime: tokio::runtime::Runtime,
    stop: Stop,
}

/// Tells a server to end, from any thread.
#[derive(Clone, Default)]
pub struct Stop(Arc<Notify>);

impl Stop {
    /// The server accepts nobody any more, and ends when the requests that are under way are answered.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// Threads that serve connections; those that translate have the other cores.
const CONNECTION_THREADS: usize = 2;

impl Server {
    /// Listens at an address, such as `127.0.0.1:5000`; port 0 is any that is free.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind(address: &str, options: ServerOptions) -> Result<Server, ServeError> {
        let ServerOptions { catalogue, translator, memory, limits, access, tell } = options;
        let listen = |reason| ServeError::Listen { address: address.to_string(), reason };
        let listener = TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .thread_name("connections")
            .enable_all()
            .build()
            .map_err(ServeError::Threads)?;
        let metrics = Arc::new(Metrics::default());
        let search = &translator.decoding.search;
        let most_alternatives = search.beam_size.saturating_sub(1);
        // Every hypothesis of a sentence is a row of its batch.
        let batch_tokens = translator.decoding.batch_tokens / search.beam_size.max(1);
        let threads = translator.threads;
        let decoders = Decoders::start(threads, limits.queue, batch_tokens, Arc::clone(&metrics))
            .map_err(ServeError::Threads)?;
        // A batch runs on the thread that took it.
        let translator = TranslatorOptions { threads: 1, ..translator };
        let models = Arc::new(Models::new(catalogue, translator, memory, Arc::clone(&metrics)));
        let app = App { models, decoders, limits, access, metrics, most_alternatives, tell };
        Ok(Server { listener, app: Arc::new(app), runtime, stop: Stop::default() })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The models, so that one can be loaded before it is asked for.
    pub fn models(&self) -> &Arc<Models> {
        &self.app.models
    }

    /// What tells it to end.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Serves until it is told to end. Then nobody is accepted any more, requests that are under way are answered, and after
    /// [`Limits::drain`] the rest is given up.
    ///
    /// # Errors
    /// If the listener cannot be used.
    pub fn run(self) -> Result<Drained, std::io::Error> {
        let Server { listener, app, runtime, stop } = self;
        let served = runtime.block_on(serve(listener, &app, stop));
        runtime.shutdown_background();
        served
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// All requests were answered.
    All,
    /// Some were given up, since they took too long.
    InPart,
}

async fn serve(
    listener: TcpListener,
    app: &Arc<App>,
    stop: Stop,
) -> Result<Drained, std::io::Error> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = TowerToHyperService::new(router(Arc::clone(app)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(app.limits.head_time);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(app.limits.connections));
    let mut end = std::pin::pin!(stop.0.notified());
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut end => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Most often all file handles are in use; they come back when connections end.
                (app.tell)(&format!("a connection was not accepted: {error}"));
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are short, and must not wait for more to be sent.
        _ = stream.set_nodelay(true);
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What ends a connection early is its client's business.
            _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    match tokio::time::timeout(app.limits.drain, graceful.shutdown()).await {
        Ok(()) => Ok(Drained::All),
        Err(_) => Ok(Drained::InPart),
    }
}
