//! Growing a whole student: shapes, starts, refusals.

use wdistill_generator::{Choice, GrowError, ParameterGenerator, Saturation, Start, cut};
use wdistill_model::tree::DecoderLayer;
use wdistill_model::{
    Activation, Architecture, AttentionKind, AttentionRole, Autoregression, Config, Dense,
    EmbeddingScale, Embeddings, FinalNorm, LayerPlace, LinearPlace, Matrix, Model, NormPlacement,
    Stack, Transformer, Vocabularies,
};

fn config(change: impl Fn(&mut Architecture)) -> Config {
    let mut architecture = Architecture::preset("transformer-nano").unwrap();
    architecture.encoder.layers = 2;
    architecture.decoder.layers = 6;
    change(&mut architecture);
    Config::new(architecture, Vocabularies::shared(19)).unwrap()
}

fn teacher(change: impl Fn(&mut Architecture)) -> Model<Dense<f32>> {
    Model::initialise(config(change), 3)
}

fn smaller(architecture: &mut Architecture) {
    architecture.encoder =
        wdistill_model::Shape { layers: 1, width: 12, feed_forward: 20, heads: 2 };
    architecture.decoder =
        wdistill_model::Shape { layers: 2, width: 8, feed_forward: 10, heads: 2 };
}

#[test]
fn the_student_has_the_shapes_of_its_own_catalogue() {
    let starts = [Start::Xavier, Start::Cut, Start::Strided, Start::Concatenated];
    let kinds = [Autoregression::SelfAttention, Autoregression::Ssru];
    for (start, kind) in starts.into_iter().flat_map(|start| kinds.map(|kind| (start, kind))) {
        let teacher = teacher(|teacher| teacher.autoregression = kind);
        let student_config = config(|student| {
            smaller(student);
            student.autoregression = kind;
        });
        let generator = ParameterGenerator::grow(&teacher, &student_config, start, 1).unwrap();
        let student = generator.materialise();
        let listed = Transformer::list(&student_config);
        let made = student.weights.slices();
        assert_eq!(listed.len(), made.len());
        for (info, (slot, slice)) in listed.iter().zip(made) {
            assert_eq!((info.slot, info.count()), (slot, slice.len()));
        }
        let key = &student.weights.decoder.layers[1].cross_attention.key.weight;
        assert_eq!((key.rows(), key.columns()), (8, 12));
    }
}

#[test]
fn a_cut_student_is_the_leading_part_of_the_first_layers() {
    let teacher = teacher(|_| {});
    let student = cut(&teacher, &config(smaller), Choice::CUT).unwrap();
    let made = &student.weights.decoder.layers[1].cross_attention.key.weight;
    let original = &teacher.weights.decoder.layers[3].cross_attention.key.weight;
    for row in 0..8 {
        for column in 0..12 {
            let difference = (made.at(row, column) - original.at(row, column)).abs();
            assert!(difference < 1e-6, "[{row}, {column}] is off by {difference}");
        }
    }
}

/// Widths 16 and heads of 8 become 8 and 4 in the decoder, 12 and 6 in the encoder.
#[test]
fn a_strided_student_has_spaced_elements_whose_sums_keep_their_size() {
    let teacher = teacher(|_| {});
    let student = cut(&teacher, &config(smaller), Choice::STRIDED).unwrap();
    let (ours, theirs) = (&student.weights.decoder.layers[1], &teacher.weights.decoder.layers[3]);
    let root = f32::sqrt;
    let every = |made: &Matrix<f32>, expected: &dyn Fn(usize, usize) -> f32| {
        for row in 0..made.rows() {
            for column in 0..made.columns() {
                let (found, expected) = (made.at(row, column), expected(row, column));
                assert!((found - expected).abs() < 1e-6, "[{row}, {column}]: {found}, {expected}");
            }
        }
    };
    let third = |column: usize| column * 16 / 12;
    let (key, query) = (&theirs.cross_attention.key, &theirs.cross_attention.query);
    every(&ours.cross_attention.key.weight, &|row, column| {
        key.weight.at(2 * row, third(column)) * root(16.0 / 12.0)
    });
    every(&ours.cross_attention.query.weight, &|row, column| {
        query.weight.at(2 * row, 2 * column) * root(2.0) * root(2.0)
    });
    let down = &theirs.feed_forward.down.weight;
    let (from, to) = (teacher.config.architecture.decoder.feed_forward, 10);
    every(&ours.feed_forward.down.weight, &|row, column| {
        down.at(2 * row, column * from / to) * root(from as f32 / to as f32)
    });
    let table = &teacher.weights.embeddings.target.as_ref().unwrap();
    every(student.weights.embeddings.target.as_ref().unwrap(), &|row, column| {
        table.at(row, 2 * column) * root(2.0)
    });
}

/// Half the heads, each as wide as before, are whole heads of the teacher's.
#[test]
fn a_strided_student_with_fewer_heads_has_whole_heads() {
    let teacher = teacher(|_| {});
    let half = |architecture: &mut Architecture| {
        architecture.decoder.width = 8;
        architecture.decoder.heads = 1;
    };
    let student = cut(&teacher, &config(half), Choice::STRIDED).unwrap();
    let (ours, theirs) = (&student.weights.decoder.layers[0], &teacher.weights.decoder.layers[0]);
    let (ours, theirs) = (&ours.cross_attention.value.weight, &theirs.cross_attention.value.weight);
    for row in 0..8 {
        assert!((ours.at(row, 5) - theirs.at(row, 5)).abs() < 1e-6);
    }
}

/// Three layers become one: its hidden units and heads are the largest of all three, and what is not inside is their mean.
#[test]
fn a_concatenated_layer_has_the_best_heads_and_units_of_its_group() {
    let mut teacher = teacher(|_| {});
    let mut number = 0.0;
    for layer in &mut teacher.weights.decoder.layers {
        for bias in [&mut layer.feed_forward.up.bias, &mut layer.feed_forward.down.bias] {
            bias.iter_mut().for_each(|bias| {
                number += 1.0;
                *bias = number / 1000.0;
            });
        }
    }
    let two = config(|architecture| architecture.decoder.layers = 2);
    let student = cut(&teacher, &two, Choice::CONCATENATED).unwrap();
    let (ours, group) = (&student.weights.decoder.layers[1], &teacher.weights.decoder.layers[3..]);
    let (width, units) = (16, teacher.config.architecture.decoder.feed_forward);

    let square = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let column = |matrix: &Matrix<f32>, column: usize| {
        (0..matrix.rows()).map(|row| matrix.at(row, column)).collect::<Vec<f32>>()
    };
    let mut all: Vec<(f64, usize, usize)> = Vec::new();
    for (layer, weights) in group.iter().enumerate() {
        for unit in 0..units {
            let block = &weights.feed_forward;
            let size =
                square(block.up.weight.row(unit)) * square(&column(&block.down.weight, unit));
            all.push((size, layer, unit));
        }
    }
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut best: Vec<(usize, usize)> = all[..units].iter().map(|one| (one.1, one.2)).collect();
    best.sort();
    assert!(best.iter().any(|(layer, _)| *layer == 0) && best.iter().any(|(layer, _)| *layer == 2));
    let close = |found: &[f32], expected: &[f32]| {
        assert_eq!(found.len(), expected.len());
        let mut pairs = found.iter().zip(expected);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, expected {expected:?}");
    };
    for (own, (layer, unit)) in best.into_iter().enumerate() {
        let (ours, theirs) = (&ours.feed_forward, &group[layer].feed_forward);
        close(ours.up.weight.row(own), theirs.up.weight.row(unit));
        close(&ours.up.bias[own..=own], &theirs.up.bias[unit..=unit]);
        close(&column(&ours.down.weight, own), &column(&theirs.down.weight, unit));
    }
    let mean = |of: &dyn Fn(&DecoderLayer<Dense<f32>>, usize) -> f32| -> Vec<f32> {
        (0..width)
            .map(|place| group.iter().map(|layer| of(layer, place)).sum::<f32>() / 3.0)
            .collect()
    };
    close(&ours.feed_forward.down.bias, &mean(&|layer, place| layer.feed_forward.down.bias[place]));

    // Of two heads of 8 elements, at half the width: what a value's row takes, the output's column gives back.
    let narrow = config(|architecture| {
        architecture.decoder.layers = 2;
        architecture.decoder.width = 8;
    });
    let student = cut(&teacher, &narrow, Choice::CONCATENATED).unwrap();
    let ours = &student.weights.decoder.layers[1].cross_attention;
    for row in 0..8 {
        let is_row = |theirs: &Matrix<f32>, from: usize| {
            let pairs =
                (0..width).map(|place| (ours.value.weight.at(row, place), theirs.at(from, place)));
            pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-6)
        };
        let mut sources = Vec::new();
        for (layer, weights) in group.iter().enumerate() {
            let value = &weights.cross_attention.value.weight;
            sources
                .extend((0..width).filter(|from| is_row(value, *from)).map(|from| (layer, from)));
        }
        let [(layer, from)] = sources[..] else { panic!("row {row}: {sources:?}") };
        assert_eq!(from % 8, 2 * (row % 4), "every second element of a head");
        let back = &group[layer].cross_attention.output.weight;
        let expected: Vec<f32> =
            (0..8).map(|place| back.at(2 * place, from) * 2f32.sqrt()).collect();
        close(&column(&ours.output.weight, row), &expected);
    }
}

#[test]
fn layers_are_chosen_as_the_rivals_do() {
    let teacher = teacher(|_| {});
    let layers = |choice: Choice, layers: usize| {
        let config = config(|architecture| architecture.decoder.layers = layers);
        let student = cut(&teacher, &config, choice).unwrap();
        let first = |layer: &DecoderLayer<Dense<f32>>| layer.feed_forward.up.weight.at(0, 0);
        let theirs: Vec<f32> = teacher.weights.decoder.layers.iter().map(first).collect();
        let number = |layer| {
            let nearest = |number: &f32| (number - first(layer)).abs() < 1e-6;
            theirs.iter().position(nearest).unwrap()
        };
        student.weights.decoder.layers.iter().map(number).collect::<Vec<usize>>()
    };
    assert_eq!(layers(Choice::CUT, 3), [0, 2, 4]);
    assert_eq!(layers(Choice::LAYER_COPY, 2), [0, 5]);
    assert_eq!(layers(Choice::LAYER_COPY, 3), [0, 2, 5]);
    assert_eq!(layers(Choice::LAYER_COPY, 4), [0, 2, 3, 5]);
    assert_eq!(layers(Choice::LAYER_COPY, 1), [0]);
    assert_eq!(layers(Choice::WEIGHT_SELECTION, 4), [0, 1, 2, 3]);
    let deeper = config(|architecture| architecture.decoder.layers = 7);
    let error = cut(&teacher, &deeper, Choice::WEIGHT_SELECTION).err().unwrap();
    assert_eq!(error, GrowError::Deeper { stack: Stack::Decoder, teacher: 6, student: 7 });
}

#[test]
fn a_cut_start_of_equal_shape_is_the_teacher_itself() {
    for kind in [Autoregression::SelfAttention, Autoregression::Ssru] {
        let teacher = teacher(|teacher| teacher.autoregression = kind);
        let student = cut(&teacher, &teacher.config, Choice::CUT).unwrap();
        let weights = student.weights.slices().into_iter().zip(teacher.weights.slices());
        for ((slot, ours), (_, theirs)) in weights {
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() < 1e-6, "{}: {a} against {b}", slot);
            }
        }
    }
}

#[test]
fn a_decoder_of_another_kind_is_refused() {
    let teacher = teacher(|_| {});
    let student = config(|student| student.autoregression = Autoregression::Ssru);
    let error = cut(&teacher, &student, Choice::CUT).err().unwrap();
    let GrowError::Property { property, .. } = error else { panic!("{error}") };
    assert_eq!(property, "autoregression");
}

#[test]
fn the_papers_start_squashes_gains_where_shapes_agree() {
    let teacher = teacher(|_| {});
    let student = ParameterGenerator::grow(&teacher, &teacher.config, Start::Xavier, 1)
        .unwrap()
        .materialise();
    let gain = student.weights.encoder.layers[0].feed_forward_norm.gain[0];
    assert!((gain - 1f32.tanh()).abs() < 1e-6, "{gain}"); // tanh squashes a gain of 1
}

#[test]
fn the_same_seed_gives_the_same_generator() {
    let teacher = teacher(|_| {});
    let grow = |seed| {
        ParameterGenerator::grow(&teacher, &config(smaller), Start::Xavier, seed)
            .unwrap()
            .materialise()
            .weights
    };
    assert!(grow(1) == grow(1));
    assert!(grow(1) != grow(2));
}

#[test]
fn final_norms_are_copied_and_separate_outputs_only_change_width() {
    let pre = |architecture: &mut Architecture| {
        architecture.norm = NormPlacement::Pre;
        architecture.final_norm = FinalNorm::Present;
        architecture.embeddings = Embeddings::Separate;
    };
    let teacher = teacher(pre);
    let same_width = config(|architecture| {
        pre(architecture);
        architecture.decoder.layers = 2;
    });
    let generator = ParameterGenerator::grow(&teacher, &same_width, Start::Xavier, 1).unwrap();
    let student = generator.materialise();
    assert_eq!(student.weights.embeddings.output, teacher.weights.embeddings.output);
    let norm = |model: &Model<Dense<f32>>| model.weights.decoder.final_norm.clone().unwrap();
    assert!(norm(&student) == norm(&teacher));
    let layout = generator.layout();
    let names: Vec<&String> = layout.ranges().iter().map(|named| &named.name).collect();
    let below = |prefix: &str| -> Vec<&str> {
        let names = names.iter().filter_map(|name| name.strip_prefix(prefix));
        names.collect()
    };
    assert_eq!(below("embeddings.output."), Vec::<&str>::new());
    assert_eq!(below("decoder.final_norm.gain."), ["shift"]);
    assert_eq!(
        below("decoder.layers.0.feed_forward.up.weight."),
        ["layer_factor", "scale", "shift"]
    );
}

/// Two layers become five: the first three begin as the teacher's first, the others as its second, and each adds its share.
#[test]
fn a_deeper_student_begins_with_copies_that_share_what_they_add() {
    let teacher = teacher(|_| {});
    let deeper = config(|architecture| architecture.encoder.layers = 5);
    let student = cut(&teacher, &deeper, Choice::CUT).unwrap();
    for (layer, (source, copies)) in
        [(0, 3.0), (0, 3.0), (0, 3.0), (1, 2.0), (1, 2.0)].into_iter().enumerate()
    {
        let (ours, theirs) =
            (&student.weights.encoder.layers[layer], &teacher.weights.encoder.layers[source]);
        let close = |a: &Matrix<f32>, b: &Matrix<f32>, factor: f32| {
            let mut pairs = a.data().iter().zip(b.data());
            assert!(pairs.all(|(a, b)| (a - b * factor).abs() < 1e-6), "layer {layer}");
        };
        close(&ours.feed_forward.up.weight, &theirs.feed_forward.up.weight, 1.0);
        close(&ours.self_attention.value.weight, &theirs.self_attention.value.weight, 1.0);
        close(&ours.feed_forward.down.weight, &theirs.feed_forward.down.weight, 1.0 / copies);
        close(
            &ours.self_attention.output.weight,
            &theirs.self_attention.output.weight,
            1.0 / copies,
        );
    }
    // The paper's start has the same sources.
    let grown = ParameterGenerator::grow(&teacher, &deeper, Start::Xavier, 1).unwrap();
    let student = grown.materialise();
    let (ours, theirs) = (&student.weights.encoder.layers[4], &teacher.weights.encoder.layers[1]);
    let (ours, theirs) =
        (ours.feed_forward.down.weight.at(0, 0), theirs.feed_forward.down.weight.at(0, 0));
    assert!((ours - (theirs / 2.0).tanh()).abs() < 1e-6);
}

#[test]
fn uneven_depth_is_refused_by_an_error_that_names_both_depths() {
    let student = config(|architecture| architecture.decoder.layers = 4);
    let error = ParameterGenerator::grow(&teacher(|_| {}), &student, Start::Cut, 1).err().unwrap();
    assert_eq!(error, GrowError::Depth { stack: Stack::Decoder, teacher: 6, student: 4 });
    assert!(error.to_string().contains("6 layers, the student's 4"), "{error}");
}

#[test]
fn all_disagreements_are_reported_together() {
    let mut student = config(|architecture| {
        architecture.decoder.layers = 5;
        architecture.activation = Activation::Gelu;
        architecture.norm_epsilon = 1e-3;
        architecture.embedding_scale = EmbeddingScale::One;
    });
    student.vocabularies.source = 20;
    let error = ParameterGenerator::grow(&teacher(|_| {}), &student, Start::Cut, 1).err().unwrap();
    let GrowError::Several(problems) = error else { panic!("{error}") };
    assert_eq!(problems.len(), 5, "{problems:?}");
    let said = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(
        said.contains("must agree in activation: the teacher has \"relu\", the student \"gelu\""),
        "{said}"
    );
}

#[test]
fn weights_that_a_tanh_cannot_reach_are_counted() {
    let mut teacher = teacher(|_| {});
    let before = Saturation::of(&teacher.weights);
    teacher.weights.encoder.layers[0].feed_forward.up.bias[3] = -1.5;
    let after = Saturation::of(&teacher.weights);
    assert_eq!((after.outside, after.all), (before.outside + 1, teacher.weights.count()));
}

#[test]
fn gradients_of_every_factor_are_slopes() {
    // A linear function of the student's weights: its gradient in the weights is the direction.
    let teacher = teacher(|_| {});
    let student_config = config(smaller);
    let mut generator =
        ParameterGenerator::grow(&teacher, &student_config, Start::Xavier, 1).unwrap();
    let (_, mut saved) = generator.materialise_saving();
    let mut student = Model::initialise(student_config.clone(), 5);
    generator.materialise_into(&mut student, &mut saved);
    assert!(student.weights == generator.materialise().weights);
    let direction = Model::initialise(student_config, 77).weights;
    let directions: Vec<Vec<f32>> =
        direction.slices().iter().map(|(_, slice)| slice.to_vec()).collect();
    let value = |model: &Model<Dense<f32>>| -> f64 {
        let made = model.weights.slices().into_iter().flat_map(|(_, slice)| slice.to_vec());
        made.zip(directions.iter().flatten()).map(|(w, d)| f64::from(w) * f64::from(*d)).sum()
    };
    assert!(value(&student).is_finite());
    let layout = generator.layout();
    let mut buffer = vec![f32::NAN; layout.length()];
    let places = layout.slices_mut(&mut buffer);
    generator.backward(&mut saved, directions.iter().map(Vec::as_slice), places);
    let gradients: Vec<&[f32]> = layout.slices(&buffer).collect();
    assert_eq!(gradients.len(), generator.parameters_mut().len());
    let step = 1e-2;
    for (index, gradient) in gradients.iter().enumerate() {
        let mut at = |value_change: f32| {
            generator.parameters_mut()[index][0] += value_change;
            (layout.ranges()[index].name.clone(), value(&generator.materialise()))
        };
        let ((name, above), (_, below)) = (at(step), at(-2.0 * step));
        at(step);
        let slope = (above - below) / (2.0 * f64::from(step));
        let exact = f64::from(gradient[0]);
        // float32 weights: the sum over some ten thousand of them carries rounding.
        assert!((slope - exact).abs() < 2e-3 * (1.0 + exact.abs()), "{name}: {slope} {exact}");
    }
}

/// Shifts can make any student, also where a weight has none of its own: it is given one.
#[test]
fn a_generator_can_begin_as_any_student() {
    let separate = |architecture: &mut Architecture| architecture.embeddings = Embeddings::Separate;
    let teacher = teacher(separate);
    let narrow = config(|architecture| {
        separate(architecture);
        smaller(architecture);
    });
    let wanted = Model::initialise(narrow.clone(), 9).weights;
    for start in [Start::Xavier, Start::Concatenated] {
        let mut generator = ParameterGenerator::grow(&teacher, &narrow, start, 1).unwrap();
        generator.make(&wanted);
        let made = generator.materialise().weights;
        for ((slot, made), (_, wanted)) in made.slices().iter().zip(wanted.slices()) {
            let mut pairs = made.iter().zip(wanted);
            assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6), "{start:?}: {slot}");
        }
    }
}

/// A table that the teacher has tied can be two in a student, and two cannot be tied.
#[test]
fn a_students_tables_may_be_more_than_its_teachers() {
    let tied = teacher(|architecture| architecture.embeddings = Embeddings::AllTied);
    let separate = config(|architecture| architecture.embeddings = Embeddings::Separate);
    let tables = cut(&tied, &separate, Choice::CUT).unwrap().weights.embeddings;
    let theirs = &tied.weights.embeddings.source;
    for table in [Some(&tables.source), tables.target.as_ref(), tables.output.as_ref()] {
        let mut pairs = table.unwrap().data().iter().zip(theirs.data());
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6));
    }
    let error = cut(&teacher(|a| a.embeddings = Embeddings::Separate), &tied.config, Choice::CUT);
    let GrowError::Property { property, .. } = error.err().unwrap() else { panic!("a property") };
    assert_eq!(property, "embeddings");
}

/// With two heads of 8 that become two of 4, each has the first elements of the teacher's.
#[test]
fn subcloning_takes_the_first_elements_of_each_head() {
    let teacher = teacher(|_| {});
    let student = cut(&teacher, &config(smaller), Choice::SUBCLONING).unwrap();
    let decoder = LayerPlace { stack: Stack::Decoder, layer: 0 };
    let value = LinearPlace::Attention(decoder, AttentionKind::SelfAttention, AttentionRole::Value);
    let (ours, theirs) = (student.weights.weight(value), teacher.weights.weight(value));
    for row in 0..8 {
        let from = row / 4 * 8 + row % 4;
        for column in 0..8 {
            let expected = theirs.at(from, column) * 2f32.sqrt();
            assert!((ours.at(row, column) - expected).abs() < 1e-6, "[{row}, {column}]");
        }
    }
}
