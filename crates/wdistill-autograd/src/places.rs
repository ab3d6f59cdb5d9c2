//! Finding on a tape what was computed at a place of the model.

use wdistill_kernels::Machine;
use wdistill_model::{
    FeedForwardRole, LayerPlace, LinearPlace, Model, NormPlace, NormPlacement, SubLayer,
};

use crate::tape::{Node, Operation, Tape, Tracked, TrackedVector, Variable};

/// Where in a model an activation is, `[tokens, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// What a linear layer reads.
    Read(LinearPlace),
    /// What it gives.
    Written(LinearPlace),
    /// The stream that a norm belongs to, before its sub-layer's branch is added.
    Stream(NormPlace),
    /// What a norm gives.
    Normal(NormPlace),
    /// The stream after a layer.
    After(LayerPlace),
}

impl<M: Machine> Tape<'_, M> {
    /// What a model of this tape computed at a place.
    ///
    /// # Panics
    /// If the model has no such place, or has not run.
    pub fn at(&self, model: &Model<Tracked>, place: Place) -> Variable {
        let found = match place {
            Place::Read(linear) => {
                let weight = *model.weights.weight(linear);
                self.find(|_, node| match &node.operation {
                    Operation::Linear(linear) if linear.weight == weight => Some(linear.x),
                    _ => None,
                })
            }
            Place::Written(linear) => {
                let weight = *model.weights.weight(linear);
                self.find(|variable, node| match &node.operation {
                    Operation::Linear(linear) if linear.weight == weight => Some(variable),
                    _ => None,
                })
            }
            Place::Stream(norm) => {
                self.at_norm(*model.weights.gain(norm)).map(|(stream, _)| stream)
            }
            Place::Normal(norm) => {
                self.at_norm(*model.weights.gain(norm)).map(|(_, normal)| normal)
            }
            Place::After(layer) => match model.config.architecture.norm {
                NormPlacement::Post => {
                    let norm = NormPlace::SubLayer(layer, SubLayer::FeedForward);
                    Some(self.at(model, Place::Normal(norm)))
                }
                NormPlacement::Pre => {
                    let down = LinearPlace::FeedForward(layer, FeedForwardRole::Down);
                    let last = self.at(model, Place::Written(down));
                    self.find(|variable, node| match &node.operation {
                        Operation::Residual { branch, .. } if *branch == last => Some(variable),
                        _ => None,
                    })
                }
            },
        };
        found.unwrap_or_else(|| panic!("{place:?} has not run"))
    }

    /// The stream before the norm with this gain, and what the norm gives.
    fn at_norm(&self, gain: TrackedVector) -> Option<(Variable, Variable)> {
        self.find(|variable, node| match &node.operation {
            Operation::Norm { x, norm, .. } if norm.gain == gain => Some((*x, variable)),
            Operation::ResidualNorm(operation) if operation.norm.gain == gain => {
                Some((operation.x, variable))
            }
            _ => None,
        })
    }

    fn find<T>(&self, wanted: impl Fn(Variable, &Node<M>) -> Option<T>) -> Option<T> {
        let nodes = self.nodes.borrow();
        nodes.iter().enumerate().find_map(|(index, node)| wanted(Variable(index), node))
    }
}
