//! `wdistill info`: what a model folder holds.

use std::path::PathBuf;

use clap::Args;
use wdistill_formats::native;
use wdistill_generator::Saturation;
use wdistill_model::Transformer;

use crate::commands::print;

/// Arguments of `wdistill info`.
#[derive(Args)]
pub struct Info {
    /// Folder of the model
    model: PathBuf,
    /// List every weight with its axes and shape
    #[arg(long)]
    slots: bool,
}

impl Info {
    pub fn run(self) -> anyhow::Result<()> {
        let model = native::load(&self.model)?;
        let architecture = &model.config.architecture;
        let Saturation { outside, all } = Saturation::of(&model.weights);
        let share = 100.0 * outside as f64 / all as f64;
        let mut lines = vec![
            format!("shape            {}", architecture.summary()),
            format!("parameters       {all}"),
            format!("outside [-1, 1]  {outside} ({share:.3}%)"),
            format!("\n{}", model.config.to_toml().trim_end()),
        ];
        if self.slots {
            lines.push(String::new());
            lines.extend(Transformer::list(&model.config).into_iter().map(|slot| {
                let axes: Vec<String> = slot.axes.iter().map(ToString::to_string).collect();
                format!("{}  [{}]  {:?}", slot.path, axes.join(", "), slot.shape)
            }));
        }
        print(&lines.join("\n"))
    }
}
