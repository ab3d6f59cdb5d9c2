//! What the ranks behind the first one do: what they are told.

use wdistill_base::Problem;

use crate::decode::decode_sentences;
use crate::error::TrainError;
use crate::order::{Order, read_batches, read_portion};
use crate::ranks::{Packet, Ranks, Unpack, agree};
use crate::shipment::{Shipment, receive};
use crate::worker::{Lesson, Worker};

/// Work that is no training: makes an answer of a question.
pub type Work<'w> = dyn FnMut(&[u8]) -> Result<Vec<u8>, Problem> + 'w;

/// Does what rank 0 says until there is nothing more to do. `work` answers the questions of [`ask`].
///
/// # Errors
/// [`TrainError::Rank`] if rank 0 has gone.
pub fn follow(ranks: &dyn Ranks, threads: usize, work: &mut Work<'_>) -> Result<(), TrainError> {
    loop {
        let message = ranks.receive(0)?;
        let mut message = Unpack(&message);
        match Order::read(&mut message) {
            Order::Train => train(ranks, threads, &mut message)?,
            Order::Work => {
                let mut said = Packet::default();
                match work(message.0) {
                    Ok(answer) => {
                        said.number(0);
                        said.bytes(&answer);
                    }
                    Err(problem) => {
                        said.number(1);
                        said.problem(&ranks.name(), problem);
                    }
                }
                ranks.send(0, &said.into_bytes())?;
            }
            Order::Quit => return Ok(()),
            order => unreachable!("{order:?} belongs to a training, and there is none"),
        }
    }
}

/// Tells all the others that there is nothing more to do.
pub fn dismiss(ranks: &dyn Ranks) {
    // One that has gone needs no telling.
    let _ = Order::Quit.tell(ranks);
}

/// Asks another rank something; [`answer`] waits for what it says.
///
/// # Errors
/// [`TrainError::Rank`] if it has gone.
pub fn ask(ranks: &dyn Ranks, other: usize, question: &[u8]) -> Result<(), TrainError> {
    let message = [&Order::Work.packet().into_bytes(), question].concat();
    ranks.send(other, &message)
}

/// What another rank made of a question.
///
/// # Errors
/// [`TrainError::Rank`] with its error, or if it has gone.
pub fn answer(ranks: &dyn Ranks, other: usize) -> Result<Vec<u8>, TrainError> {
    let said = ranks.receive(other)?;
    let mut said = Unpack(&said);
    match said.number() {
        0 => Ok(said.bytes().to_vec()),
        _ => Err(said.error()),
    }
}

/// A training, from its beginning to its end.
fn train(ranks: &dyn Ranks, threads: usize, message: &mut Unpack<'_>) -> Result<(), TrainError> {
    let Shipment { trainee, teacher, guide, settings, seed, compared } = receive(ranks, message)?;
    let (teacher, guide) = (teacher.as_ref(), guide.as_ref());
    let lesson = Lesson { teacher, guide, settings: &settings, seed };
    let started = compared.and_then(|()| Worker::start(ranks, trainee, lesson, threads));
    // Rank 0 says what is wrong.
    let Ok(mut worker) = agree(ranks, started) else { return Ok(()) };
    let vocabularies = worker.model().config.vocabularies;
    loop {
        let message = ranks.receive(0)?;
        let mut message = Unpack(&message);
        match Order::read(&mut message) {
            Order::Update => {
                worker.update(&read_portion(&mut message, &vocabularies))?;
            }
            order @ (Order::Loss | Order::LossOf) => {
                let batches = read_batches(&mut message, &vocabularies);
                let other = match order {
                    Order::LossOf => Some(worker.other_model(None)?),
                    _ => None,
                };
                let losses = worker.losses(other.as_ref(), batches);
                let mut said = Packet::of(losses.len() as u64);
                losses.iter().for_each(|loss| said.loss(loss));
                ranks.send(0, &said.into_bytes())?;
            }
            order @ (Order::Decode | Order::DecodeOf) => {
                let other = match order {
                    Order::DecodeOf => Some(worker.other_model(None)?),
                    _ => None,
                };
                let model = other.as_ref().unwrap_or(worker.model());
                decode_sentences(ranks, &mut message, model, threads)?;
            }
            Order::State => {
                worker.collect_state()?;
            }
            Order::Averages => {
                worker.collect_averages()?;
            }
            Order::Restore => worker.restore(None)?,
            Order::End => return Ok(()),
            order => unreachable!("{order:?} within a training"),
        }
    }
}
