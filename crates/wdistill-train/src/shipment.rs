//! How a training comes to the other ranks: its settings as text, what is trained, its teacher and its word alignments as
//! numbers.

use serde::{Deserialize, Serialize};
use wdistill_generator::Frame;
use wdistill_model::{Config, Dense, Model};

use crate::error::TrainError;
use crate::guide::Guide;
use crate::order::Order;
use crate::ranks::{Ranks, Unpack, arithmetic, check_precision, spread_numbers};
use crate::settings::TrainingSettings;
use crate::trainable::Trainee;
use crate::worker::Lesson;

/// What a rank is told of a training.
pub(crate) struct Shipment {
    pub trainee: Trainee,
    pub teacher: Option<Model<Dense<f32>>>,
    pub guide: Option<Guide>,
    pub settings: TrainingSettings,
    pub seed: u64,
    /// What came of the [comparison](check_precision) of this rank's products with rank 0's.
    pub compared: Result<(), TrainError>,
}

/// Everything of it that is no large list of numbers.
#[derive(Serialize, Deserialize)]
struct Bill {
    settings: TrainingSettings,
    seed: u64,
    trained: Trained,
    teacher: Option<Config>,
    /// A hash of rank 0's products in the precision of the settings.
    arithmetic: String,
}

#[derive(Serialize, Deserialize)]
enum Trained {
    Weights(Config),
    Generator(Frame),
}

/// The numbers of everything that is shipped, from rank 0 to all.
fn spread_all(
    ranks: &dyn Ranks,
    trainee: &mut Trainee,
    teacher: Option<&mut Model<Dense<f32>>>,
) -> Result<(), TrainError> {
    fn of(model: &mut Model<Dense<f32>>) -> Vec<&mut [f32]> {
        model.weights.slices_mut().into_iter().map(|(_, slice)| slice).collect()
    }
    let trained = match trainee {
        Trainee::Weights(model) => of(model),
        Trainee::Generator(generator) => generator.numbers_mut(),
    };
    let of_teacher = teacher.map(of).unwrap_or_default();
    trained.into_iter().chain(of_teacher).try_for_each(|slice| spread_numbers(ranks, slice))
}

/// Begins a training at all ranks, and gives back what is trained. Rank 0 calls this, and the others [`receive`].
///
/// # Errors
/// [`TrainError::Rank`].
pub(crate) fn ship(
    ranks: &dyn Ranks,
    mut trainee: Trainee,
    lesson: Lesson<'_>,
) -> Result<Trainee, TrainError> {
    let precision = lesson.settings.available_precision();
    let bill = Bill {
        settings: TrainingSettings { precision, ..lesson.settings.clone() },
        seed: lesson.seed,
        trained: match &trainee {
            Trainee::Weights(model) => Trained::Weights(model.config.clone()),
            Trainee::Generator(generator) => Trained::Generator(generator.frame()),
        },
        teacher: lesson.teacher.map(|model| model.config.clone()),
        arithmetic: arithmetic(precision),
    };
    let text = serde_json::to_string(&bill).expect("plain data");
    let mut packet = Order::Train.packet();
    packet.bytes(text.as_bytes());
    packet.number(u64::from(lesson.guide.is_some()));
    lesson.guide.into_iter().for_each(|guide| guide.write(&mut packet));
    let message = packet.into_bytes();
    (1..ranks.count()).try_for_each(|other| ranks.send(other, &message))?;
    // What is spread is also written at those who receive: the teacher is not to be changed here, so a copy is spread.
    spread_all(ranks, &mut trainee, lesson.teacher.cloned().as_mut())?;
    Ok(trainee)
}

/// What rank 0 ships, of which `message` is the rest of the order.
///
/// # Errors
/// [`TrainError::Rank`].
pub(crate) fn receive(ranks: &dyn Ranks, message: &mut Unpack<'_>) -> Result<Shipment, TrainError> {
    let bill: Bill = serde_json::from_slice(message.bytes()).expect("of the same program");
    let Bill { settings, seed, trained, teacher, arithmetic } = bill;
    let guide = (message.number() == 1).then(|| Guide::read(message));
    let compared = check_precision(ranks.name(), settings.precision, &arithmetic);
    let mut trainee = match trained {
        Trained::Weights(config) => Trainee::weights(Model::zeros(config)),
        Trained::Generator(frame) => Trainee::generator(frame.zeros()),
    };
    let mut teacher = teacher.map(Model::zeros);
    spread_all(ranks, &mut trainee, teacher.as_mut())?;
    Ok(Shipment { trainee, teacher, guide, settings, seed, compared })
}
