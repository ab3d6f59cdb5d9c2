//! `wdistill info`: what a model folder holds.

use std::path::PathBuf;

use clap::Args;
use wdistill_formats::native::{self, Stored};
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
        let (config, weights) = match native::load_any(&self.model)? {
            Stored::Float32(model) => {
                let Saturation { outside, all } = Saturation::of(&model.weights);
                let share = 100.0 * outside as f64 / all as f64;
                let outside = format!("outside [-1, 1]  {outside} ({share:.3}%)");
                (model.config, vec!["weights          float32".to_string(), outside])
            }
            Stored::Int8(model) => (model.config, vec!["weights          int8".to_string()]),
        };
        let slots = Transformer::list(&config);
        let parameters: usize = slots.iter().map(|slot| slot.shape.iter().product::<usize>()).sum();
        let mut lines = vec![
            format!("shape            {}", config.architecture.summary()),
            format!("parameters       {parameters}"),
        ];
        lines.extend(weights);
        lines.push(format!("\n{}", config.to_toml().trim_end()));
        if self.slots {
            lines.push(String::new());
            lines.extend(slots.into_iter().map(|slot| {
                let axes: Vec<String> = slot.axes.iter().map(ToString::to_string).collect();
                format!("{}  [{}]  {:?}", slot.path, axes.join(", "), slot.shape)
            }));
        }
        print(&lines.join("\n"))
    }
}
