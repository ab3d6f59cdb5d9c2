//! The file: a `ModelProto` message (sentencepiece_model.proto).

use super::wire::{Field, Fields, Message};
use super::{
    ByteFallback, DummySpace, ExtraSpaces, NormalizerParts, PieceKind, SentencePiece,
    SentencePieceAlgorithm, SentencePieceModel, SentencePieceParts, SpaceEscape,
};
use crate::error::shown;

/// Numbers of `ModelProto.SentencePiece.Type`.
const KINDS: [(u64, PieceKind); 6] = [
    (1, PieceKind::Normal),
    (2, PieceKind::Unknown),
    (3, PieceKind::Control),
    (4, PieceKind::UserDefined),
    (5, PieceKind::Unused),
    (6, PieceKind::Byte),
];

/// Numbers of `TrainerSpec.ModelType`.
const UNIGRAM: u64 = 1;
const BPE: u64 = 2;

/// Reads a message. Fields that do not change how text is cut are passed over.
pub(super) fn read(bytes: &[u8]) -> Result<SentencePieceParts, String> {
    let mut parts = SentencePieceParts::default();
    let mut suffix = DummySpace::Front;
    let mut fields = Fields::new(bytes);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => parts.pieces.push(read_piece(&field)?),
            2 => read_trainer(&field, &mut parts, &mut suffix)?,
            3 => read_normalizer(&field, "normalizer_spec", &mut parts.normalizer)?,
            5 => {
                let mut spec = NormalizerParts::default();
                read_normalizer(&field, "denormalizer_spec", &mut spec)?;
                if !spec.charsmap.is_empty() {
                    return Err(
                        "it replaces characters after decoding (denormalizer_spec), which is \
                                not supported"
                            .to_owned(),
                    );
                }
            }
            _ => {}
        }
    }
    if parts.normalizer.dummy_space != DummySpace::None {
        parts.normalizer.dummy_space = suffix;
    }
    Ok(parts)
}

fn read_piece(field: &Field<'_>) -> Result<SentencePiece, String> {
    let mut piece = SentencePiece { text: String::new(), score: 0.0, kind: PieceKind::Normal };
    let mut fields = field.message("a piece")?;
    while let Some(field) = fields.next()? {
        match field.number {
            1 => piece.text = field.text("a piece's text")?.to_owned(),
            2 => piece.score = field.float("a piece's score")?,
            3 => {
                let number = field.varint("a piece's type")?;
                let kind = KINDS.iter().find(|&&(known, _)| known == number);
                piece.kind = kind.map(|&(_, kind)| kind).ok_or_else(|| {
                    format!("piece {} has type {number}, expected 1 to 6", shown(&piece.text))
                })?;
            }
            _ => {}
        }
    }
    Ok(piece)
}

fn read_trainer(
    field: &Field<'_>,
    parts: &mut SentencePieceParts,
    suffix: &mut DummySpace,
) -> Result<(), String> {
    let mut fields = field.message("trainer_spec")?;
    while let Some(field) = fields.next()? {
        let names = &mut parts.names;
        match field.number {
            3 => parts.algorithm = algorithm(field.varint("model_type")?)?,
            24 => {
                *suffix = match field.varint("treat_whitespace_as_suffix")? {
                    0 => DummySpace::Front,
                    _ => DummySpace::Back,
                }
            }
            35 => {
                parts.byte_fallback = match field.varint("byte_fallback")? {
                    0 => ByteFallback::Off,
                    _ => ByteFallback::On,
                }
            }
            44 => parts.unknown_surface = field.text("unk_surface")?.to_owned(),
            45 => names.unknown = or_default(field.text("unk_piece")?, "<unk>"),
            46 => names.begin = or_default(field.text("bos_piece")?, "<s>"),
            47 => names.end = or_default(field.text("eos_piece")?, "</s>"),
            48 => names.padding = or_default(field.text("pad_piece")?, "<pad>"),
            _ => {}
        }
    }
    Ok(())
}

/// The library takes an empty name for the default one.
fn or_default(name: &str, default: &str) -> String {
    if name.is_empty() { default.to_owned() } else { name.to_owned() }
}

fn algorithm(number: u64) -> Result<SentencePieceAlgorithm, String> {
    let name = match number {
        UNIGRAM => return Ok(SentencePieceAlgorithm::Unigram),
        BPE => return Ok(SentencePieceAlgorithm::Bpe),
        3 => "WORD".to_owned(),
        4 => "CHAR".to_owned(),
        _ => format!("number {number}"),
    };
    Err(format!("model_type is {name}, expected UNIGRAM or BPE, the two that are supported"))
}

fn read_normalizer(
    field: &Field<'_>,
    spec: &str,
    parts: &mut NormalizerParts,
) -> Result<(), String> {
    let mut fields = field.message(spec)?;
    while let Some(field) = fields.next()? {
        match field.number {
            1 => parts.name = field.text("the normaliser's name")?.to_owned(),
            2 => parts.charsmap = field.bytes("precompiled_charsmap")?.to_vec(),
            3 => {
                parts.dummy_space = match field.varint("add_dummy_prefix")? {
                    0 => DummySpace::None,
                    _ => DummySpace::Front,
                }
            }
            4 => {
                parts.extra_spaces = match field.varint("remove_extra_whitespaces")? {
                    0 => ExtraSpaces::Keep,
                    _ => ExtraSpaces::Remove,
                }
            }
            5 => {
                parts.space_escape = match field.varint("escape_whitespaces")? {
                    0 => SpaceEscape::None,
                    _ => SpaceEscape::Marker,
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes what [`read`] reads, every field, and the ids of the special pieces.
pub(super) fn write(model: &SentencePieceModel) -> Vec<u8> {
    let parts = model.parts();
    let mut message = Message::default();
    for piece in &parts.pieces {
        let mut inner = Message::default();
        inner.bytes(1, piece.text.as_bytes());
        inner.float(2, piece.score);
        let kind = KINDS.iter().find(|&&(_, kind)| kind == piece.kind);
        inner.varint(3, kind.expect("every kind has a number").0);
        message.bytes(1, &inner.bytes);
    }
    message.bytes(2, &trainer_message(model).bytes);
    message.bytes(3, &normalizer_message(&parts.normalizer).bytes);
    message.bytes
}

fn trainer_message(model: &SentencePieceModel) -> Message {
    let SentencePieceParts { algorithm, pieces, byte_fallback, unknown_surface, names, normalizer } =
        model.parts();
    let mut message = Message::default();
    let number = match algorithm {
        SentencePieceAlgorithm::Unigram => UNIGRAM,
        SentencePieceAlgorithm::Bpe => BPE,
    };
    message.varint(3, number);
    message.varint(4, pieces.len() as u64);
    message.varint(24, u64::from(normalizer.dummy_space == DummySpace::Back));
    message.varint(35, u64::from(*byte_fallback == ByteFallback::On));
    message.varint(40, u64::from(model.unknown_id()));
    let special = [(41, model.begin_id()), (42, model.end_id()), (43, model.padding_id())];
    for (number, id) in special {
        // Minus one, as a 64-bit number, says that there is none.
        message.varint(number, id.map_or(u64::MAX, u64::from));
    }
    message.bytes(44, unknown_surface.as_bytes());
    for (number, name) in (45..).zip([&names.unknown, &names.begin, &names.end, &names.padding]) {
        message.bytes(number, name.as_bytes());
    }
    message
}

fn normalizer_message(parts: &NormalizerParts) -> Message {
    let mut message = Message::default();
    message.bytes(1, parts.name.as_bytes());
    message.bytes(2, &parts.charsmap);
    message.varint(3, u64::from(parts.dummy_space != DummySpace::None));
    message.varint(4, u64::from(parts.extra_spaces == ExtraSpaces::Remove));
    message.varint(5, u64::from(parts.space_escape == SpaceEscape::Marker));
    message
}
