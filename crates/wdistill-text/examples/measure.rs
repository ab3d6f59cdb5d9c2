//! Scratch.
use std::path::Path;
use std::time::Instant;
use wdistill_text::*;
fn main() {
    let dir = Path::new("/work/shared/data/multi30k");
    let text = ParallelText::read(&dir.join("train.de"), &dir.join("train.en")).unwrap();
    for model in [SubwordModel::Bpe, SubwordModel::Unigram] {
        for size in [4000, 8000, 100000] {
            let start = Instant::now();
            let trained = Vocabulary::train(text.both_sides(), &VocabularySettings::new(model, size)).unwrap();
            println!("{model:?} {size} -> {} in {:.2?} hash {}", trained.obtained, start.elapsed(), trained.vocabulary.content_hash());
            if size == 100000 { continue; }
            let v = trained.vocabulary;
            let start = Instant::now();
            let checked = encode_corpus(&text, &v, &v, &CorpusLimits::training()).unwrap();
            println!("encode {:.2?}\n{}{}", start.elapsed(), checked.report, checked.corpus.statistics());
            let start = Instant::now();
            for line in text.both_sides() {
                assert_eq!(v.decode(&v.encode(line)).unwrap(), line);
            }
            println!("serial roundtrip {:.2?}", start.elapsed());
            println!("{:?}", v.encode(&text.source.lines[0]).iter().map(|&i| v.piece(i).unwrap()).collect::<Vec<_>>());
            println!("{:?}", v.encode(&text.target.lines[5]).iter().map(|&i| v.piece(i).unwrap()).collect::<Vec<_>>());
            let lengths = checked.corpus.lengths();
            for max_tokens in [1024, 4096] {
                let start = Instant::now();
                let order = BatchOrder::new(lengths.clone(), BatchSettings { max_tokens }, 1).unwrap();
                let el = start.elapsed();
                let batches = order.epoch_batches(0);
                let (mut real, mut padded) = (0, 0);
                for b in &batches {
                    let s = b.iter().map(|&i| lengths[i].source).max().unwrap();
                    let t = b.iter().map(|&i| lengths[i].target).max().unwrap();
                    padded += b.len() * (s + t);
                    real += b.iter().map(|&i| lengths[i].source + lengths[i].target).sum::<usize>();
                }
                println!("{max_tokens}: {} batches, padding {:.2}% {el:.2?}", batches.len(), 100. * (1. - real as f64 / padded as f64));
            }
            let p = std::env::temp_dir().join("measure-tok.json");
            v.save(&p).unwrap();
            let start = Instant::now();
            let l = Vocabulary::load(&p).unwrap();
            println!("load {:.2?} {} {}", start.elapsed(), l.content_hash() == v.content_hash(), hash_file(&p).unwrap() == v.content_hash());
        }
    }
    for (set, size) in [("valid", 1014), ("test2016", 1000)] {
        let text = ParallelText::read(&dir.join(format!("{set}.de")), &dir.join(format!("{set}.en"))).unwrap();
        let v = Vocabulary::train(text.both_sides(), &VocabularySettings::new(SubwordModel::Bpe, 2000)).unwrap().vocabulary;
        let c = encode_corpus(&text, &v, &v, &CorpusLimits::evaluation()).unwrap();
        println!("{}", c.report);
        assert_eq!(c.corpus.len(), size);
    }
}
