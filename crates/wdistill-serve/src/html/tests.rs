use wdistill_runtime::Alignment;

use super::*;

/// A translation that says in capitals what the line says, each sentence aligned word by word: word `i` of the
/// translation comes from word `order[i]`.
fn shouted(line: &str, order: &[usize]) -> Marked {
    let words = |text: &str| -> Vec<std::ops::Range<usize>> {
        text.split(' ')
            .map(|word| {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                start..start + word.len()
            })
            .collect()
    };
    let source_spans = words(line);
    let said: Vec<String> =
        order.iter().map(|word| line[source_spans[*word].clone()].to_uppercase()).collect();
    let text = said.join(" ");
    let mut weights = vec![0.0; order.len() * source_spans.len()];
    for (target, source) in order.iter().enumerate() {
        weights[target * source_spans.len() + source] = 0.9;
    }
    let alignment = Alignment::new(source_spans.len(), weights);
    let sentence = AlignedSentence {
        source: line.to_string(),
        source_spans,
        target: text.clone(),
        target_spans: words(&text),
        alignment,
    };
    Marked { text, sentences: vec![sentence] }
}

/// Every line in capitals and, if it has so many words, in this order.
fn translate(html: &str, order: &[usize]) -> String {
    let document = Html::of(html);
    let marked: Vec<Marked> = document
        .lines()
        .map(|line| {
            let count = line.split(' ').count();
            let same: Vec<usize> = (0..count).collect();
            shouted(line, if order.len() == count { order } else { &same })
        })
        .collect();
    document.with(&marked)
}

#[test]
fn blocks_scripts_comments_and_entities_stay() {
    let html = "<!DOCTYPE html>\n<html><head><title>Tea &amp; cake</title><style>p > a { }</style></head>\n\
        <body class=\"a>b\"><p>\n  One &lt; two&nbsp;!  </p><script>if (a<b) { \"</p>\" }</script><!-- <p>no</p> -->\
        <ul><li>three<li>four</ul><br/>12 + 13 = 25</body></html>";
    let found = translate(html, &[]);
    let expected = "<!DOCTYPE html>\n<html><head><title>TEA &amp; CAKE</title><style>p > a { }</style></head>\n\
        <body class=\"a>b\"><p> ONE &lt; TWO&nbsp;! </p><script>if (a<b) { \"</p>\" }</script><!-- <p>no</p> -->\
        <ul><li>THREE<li>FOUR</ul><br/>12 + 13 = 25</body></html>";
    assert_eq!(found, expected);
}

#[test]
fn tags_go_where_their_words_go() {
    let html = "see <b>the <i>red</i> house</b> now";
    assert_eq!(translate(html, &[]), "SEE <b>THE <i>RED</i> HOUSE</b> NOW");
    let turned = translate(html, &[4, 0, 1, 3, 2]);
    assert_eq!(turned, "NOW SEE <b>THE HOUSE <i>RED</i></b>");
    // What comes apart is written twice.
    let apart = translate(html, &[1, 2, 0, 3, 4]);
    assert_eq!(apart, "<b>THE <i>RED</i></b> SEE <b>HOUSE</b> NOW");
    // A word that is left out does not take its element along.
    let document = Html::of("see <b>it</b> now");
    let line = document.lines().next().unwrap();
    let mut without = shouted(line, &[0, 2]);
    without.sentences[0].alignment = Alignment::new(3, vec![0.5, 0.3, 0.2, 0.1, 0.2, 0.7]);
    assert_eq!(document.with([&without]), "<b>SEE</b> NOW");
}

#[test]
fn what_has_no_text_stands_beside_its_neighbour() {
    let html = "<img src=a> one <img src=b>two<br>three<wbr>four five<sup><a href=#1></a></sup> six <i></i>";
    assert_eq!(
        translate(html, &[]),
        "<img src=a> ONE <img src=b>TWO<br>THREEFOUR<wbr> FIVE<sup><a href=#1></a></sup> SIX <i></i>"
    );
    // Tags without partners.
    assert_eq!(translate("a</b> <i>b <u>c</i> d", &[]), "A</b> <i>B <u>C</i> D");
    assert_eq!(translate("<span>text</div>", &[]), "<span>TEXT</div>");
}

#[test]
fn signs_are_where_their_equals_or_neighbours_are() {
    let document = Html::of("Yes <b>we can</b>.");
    assert_eq!(document.lines().collect::<Vec<_>>(), ["Yes we can."]);
    // The full stop belongs to the last token, which is inside the element.
    assert_eq!(translate("Yes <b>we can</b>.", &[]), "YES <b>WE CAN</b>.");
    assert_eq!(translate("<b>(Yes)</b> we", &[1, 0]), "WE <b>(YES)</b>");
}

#[test]
fn nothing_that_asks_to_stay_is_translated() {
    let html = "use <code translate=\"no\">let x = <b>1</b>;</code> here<div translate=no>not <div>this</div></div>";
    let document = Html::of(html);
    assert_eq!(document.lines().collect::<Vec<_>>(), ["use here"]);
    assert_eq!(
        translate(html, &[]),
        "USE <code translate=\"no\">let x = <b>1</b>;</code>HERE<div translate=no>not <div>this</div></div>"
    );
    let pre = "<pre>one  two\n  three\n</pre>";
    assert_eq!(translate(pre, &[]), "<pre>ONE TWO\n THREE\n</pre>");
}

/// Whatever it is, it is divided and put together again, and what is no text is all there.
#[test]
fn broken_markup_is_no_reason_to_lose_anything() {
    let pieces = [
        "<",
        ">",
        "</",
        "<b",
        "<b>",
        "</b>",
        "<p>",
        "</p>",
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "&",
        "&amp;",
        "&#x",
        "a",
        " b ",
        "\n",
        "\"",
        "<a href='",
        "'",
        "<br/>",
        "<pre>",
        "</pre>",
        "\u{a0}",
        "漢字",
        "<i/>",
        "<?",
        "<!",
    ];
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    };
    for _ in 0..3000 {
        let html: String = (0..next() % 12).map(|_| pieces[next() % pieces.len()]).collect();
        let document = Html::of(&html);
        let raw = |node: &Node<'_>| match node {
            Node::Raw(raw) => raw.len(),
            Node::Segment(_) => 0,
        };
        assert!(document.nodes.iter().map(raw).sum::<usize>() <= html.len());
        let translated = translate(&html, &[]);
        for tag in ["<p>", "</p>", "<br/>"] {
            let count = |text: &str| text.matches(tag).count();
            assert!(count(&translated) <= count(&html) + 1, "{html:?} became {translated:?}");
        }
        if document.lines().count() == 0 {
            assert_eq!(translated, html);
        }
    }
}
