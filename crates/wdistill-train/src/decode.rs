//! Sentences of a held-out text that another rank decodes.

use std::sync::Arc;

use wdistill_model::{Dense, Model};
use wdistill_runtime::Translator;
use wdistill_text::{Vocabulary, VocabularyPair};

use crate::error::TrainError;
use crate::order::Order;
use crate::ranks::{Packet, Ranks, Unpack, agree};
use crate::validation::{Decoded, Validator, line_by_line};

/// Some sentences as a message of this order, with what turns them into text.
pub(crate) fn sentences_message<'s>(
    order: Order,
    validator: &Validator<'_>,
    sentences: impl ExactSizeIterator<Item = &'s Vec<u32>>,
) -> Vec<u8> {
    let VocabularyPair { source, target } = &**validator.vocabularies;
    let decoding = serde_json::to_string(&validator.translator.decoding).expect("plain data");
    let mut packet = order.packet();
    for text in [source.to_json(), target.to_json(), decoding] {
        packet.bytes(text.as_bytes());
    }
    packet.number(sentences.len() as u64);
    sentences.for_each(|sentence| packet.ids(sentence));
    packet.into_bytes()
}

/// Decodes what such a message holds behind its order, and tells rank 0.
pub(crate) fn decode_sentences(
    ranks: &dyn Ranks,
    message: &mut Unpack<'_>,
    model: &Model<Dense<f32>>,
    threads: usize,
) -> Result<(), TrainError> {
    let mut vocabulary = || Vocabulary::from_json(message.bytes());
    let pair = vocabulary()
        .and_then(|source| Ok(Arc::new(VocabularyPair { source, target: vocabulary()? })));
    let decoding = serde_json::from_slice(message.bytes()).expect("of the same program");
    let sentences = (0..message.count()).map(|_| message.ids()).collect();
    let decode = || {
        let translator = Translator::new(model, pair?, line_by_line(&decoding, threads))?;
        Ok(Decoded::of(translator.translate_ids(sentences)?))
    };
    // Rank 0 says what is wrong.
    if let Ok(decoded) = agree(ranks, decode()) {
        let mut said = Packet::default();
        said.bytes(&serde_json::to_vec(&decoded).expect("plain data"));
        ranks.send(0, &said.into_bytes())?;
    }
    Ok(())
}

/// Decodes all sentences of a text with the other ranks, of which each has every N-th.
pub(crate) fn decode_together(
    ranks: &dyn Ranks,
    validator: &Validator<'_>,
    model: &Model<Dense<f32>>,
    sentences: &[Vec<u32>],
) -> Result<Decoded, TrainError> {
    let own = || {
        let (vocabularies, options) =
            (validator.vocabularies.clone(), validator.translator.clone());
        let translator = Translator::new(model, vocabularies, options)?;
        let own = sentences.iter().step_by(ranks.count()).cloned().collect();
        Ok(Decoded::of(translator.translate_ids(own)?))
    };
    let mut parts = vec![agree(ranks, own())?];
    for other in 1..ranks.count() {
        let said = ranks.receive(other)?;
        let said = Unpack(&said).bytes();
        parts.push(serde_json::from_slice(said).expect("of the same program"));
    }
    let mut whole = Decoded { lines: vec![String::new(); sentences.len()], cut: 0, joined: 0 };
    for (rank, Decoded { lines, cut, joined }) in parts.into_iter().enumerate() {
        let places = whole.lines.iter_mut().skip(rank).step_by(ranks.count());
        places.zip(lines).for_each(|(place, line)| *place = line);
        whole.cut += cut;
        whole.joined += joined;
    }
    Ok(whole)
}
