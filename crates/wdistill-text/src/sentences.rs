//! Where one sentence of a text ends and the next begins: rules in the manner of SRX, by language.
//!
//! A sentence may end after a full stop, a question mark, an exclamation mark or an ellipsis, with the quotes
//! and brackets that close behind it, if blanks and then something that can begin a sentence follow. Words that
//! are written with a full stop (abbreviations, initials, ordinal numbers) make exceptions. Chinese and
//! Japanese marks end a sentence without blanks.

/// Languages whose abbreviations are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentenceLanguage {
    /// Any: abbreviations of all languages below.
    Any,
    /// Czech.
    Czech,
    /// Dutch.
    Dutch,
    /// English.
    English,
    /// French.
    French,
    /// German.
    German,
    /// Italian.
    Italian,
    /// Polish.
    Polish,
    /// Portuguese.
    Portuguese,
    /// Russian.
    Russian,
    /// Spanish.
    Spanish,
}

/// Words of a language with blanks between them, in small letters but for the last list.
struct Words {
    /// Abbreviations that never end a sentence, such as titles.
    titles: &'static str,
    /// Abbreviations before numbers; elsewhere they are words that may end a sentence.
    before_numbers: &'static str,
    /// Abbreviations that may end a sentence: one ends there if a word that begins sentences follows.
    may_end: &'static str,
    /// Words that often begin a sentence and are no names, as they are written there.
    beginnings: &'static str,
}

const ENGLISH: Words = Words {
    titles: "mr mrs ms dr prof rev hon gen col capt lt sgt sen rep gov pres messrs vs cf approx mt",
    before_numbers: "no nos p pp fig figs vol ch sec art eq jan feb mar apr jun jul aug sep sept oct nov dec \
        ca",
    may_end: "inc ltd co corp jr sr st ave etc al ft dept bros",
    beginnings: "The He She It They We You This That These Those There But And In On At How What Why When \
        Where Who My His Her Our Their If After Before Then However",
};

const GERMAN: Words = Words {
    titles: "dr prof hr hrn fr frl ing dipl bzw ca vgl evtl ggf inkl exkl zzgl abzgl sog geb gest \
        bspw insb hl resp",
    before_numbers: "nr abs art kap bd abb tab tel jan feb apr aug sept okt nov dez str ziff aufl",
    may_end: "usw etc uvm str mio mrd tsd jh jhd co hrsg st",
    beginnings: "Der Die Das Er Sie Es Wir Ich Ihr Ein Eine In Im Am Aber Und Doch Dann Wenn Da Hier \
        Heute Dieser Diese Dieses Mein Meine Sein Seine Ihre Was Wer Wie Wo Warum Auch Nach Man",
};

const FRENCH: Words = Words {
    titles: "mm mme mmes mlle mlles dr pr mgr cf env ste",
    before_numbers: "p pp art fig vol chap n no tél",
    may_end: "etc st éd bd",
    beginnings: "Le La Les L Un Une Il Elle Ils Elles Nous Vous Je On Ce Cette Ces C Mais Et Dans En Puis \
        Que Qui Pourquoi Mon Ma Son",
};

const SPANISH: Words = Words {
    titles: "sr sra srta sres dr dra prof profa lic ing gral ud uds",
    before_numbers: "p pp pág págs núm núms art fig vol cap tel aprox",
    may_end: "etc avda cía",
    beginnings: "El La Los Las Un Una Él Ella Ellos Nosotros Yo Este Esta Eso Pero Y En Qué Quién Cómo \
        Cuándo Mi Su No Se Luego",
};

const ITALIAN: Words = Words {
    titles: "sig sigg dott prof avv ing geom mons dr gent spett",
    before_numbers: "p pp pag pagg art fig vol cap tel n",
    may_end: "ecc etc",
    beginnings: "Il Lo La I Gli Le Un Una Lui Lei Loro Noi Io Questo Questa Ma E In Non Poi Che Chi Come \
        Quando Mio Mia",
};

const PORTUGUESE: Words = Words {
    titles: "sr sra srta dr dra prof profa eng exmo exma",
    before_numbers: "p pp pág págs art fig vol cap tel nº",
    may_end: "etc av cia ltda",
    beginnings: "O A Os As Um Uma Ele Ela Eles Elas Nós Eu Este Esta Isso Mas E Em No Na Não Que Quem \
        Como Quando Meu Minha",
};

const DUTCH: Words = Words {
    titles: "dhr mevr mw dr drs ing mr prof ds bijv bv resp ca vgl",
    before_numbers: "nr nrs art blz p pp afb fig tel",
    may_end: "enz etc jl str st",
    beginnings: "De Het Een Hij Zij Ze Wij We Ik Jij Je Dit Dat Deze Maar En In Op Dan Wat Wie Waar Hoe \
        Mijn Zijn Haar",
};

const POLISH: Words = Words {
    titles: "dr prof mgr inż ks gen płk mjr kpt św ul pl im np tzw tzn por",
    before_numbers: "nr str s art ust rys tab tel poz ok",
    may_end: "itd itp r w tys mln mld zł godz al",
    beginnings: "On Ona Ono Oni One My Ja Ty To Ten Ta Te Ale I W Na Po Nie Co Kto Jak Kiedy Gdzie Jest \
        Mój Moja Potem",
};

const CZECH: Words = Words {
    titles: "dr prof doc ing mgr bc mudr judr phdr rndr sv např tzv tj pí sl",
    before_numbers: "č str s obr tab tel odst čl cca",
    may_end: "atd apod aj r tis kč nám ul",
    beginnings: "On Ona Ono Oni My Já Ty To Ten Ta Ale A V Na Po Ne Co Kdo Jak Kdy Kde Je Můj Moje Pak",
};

const RUSSIAN: Words = Words {
    titles: "ул проф акад доц ср см напр св гр тов пос",
    before_numbers: "стр с рис табл гл ст тел д кв ок п",
    may_end: "г гг в вв н.э т.д т.п др пр руб коп тыс млн млрд мин ч им",
    beginnings: "Он Она Оно Они Мы Я Ты Вы Это Этот Эта Эти Но И А В На Не После Что Кто Как Когда Где \
        Мой Моя Потом",
};

/// What a German ordinal number often stands before.
const COUNTED_IN_GERMAN: &str = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember Jänner \
    Jahrhundert Jahrhunderts Mal Stock Klasse Etage Weltkrieg Geburtstag Platz Tag Jahr Auflage";

impl SentenceLanguage {
    /// The codes by which [`Self::from_code`] knows the languages.
    pub const CODES: [&'static str; 10] =
        ["cs", "de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru"];

    /// A language by its ISO 639-1 code, such as `de`; [`SentenceLanguage::Any`] for one that is not known.
    pub fn from_code(code: &str) -> SentenceLanguage {
        match code {
            "cs" => Self::Czech,
            "de" => Self::German,
            "en" => Self::English,
            "es" => Self::Spanish,
            "fr" => Self::French,
            "it" => Self::Italian,
            "nl" => Self::Dutch,
            "pl" => Self::Polish,
            "pt" => Self::Portuguese,
            "ru" => Self::Russian,
            _ => Self::Any,
        }
    }

    fn words(self) -> &'static [Words] {
        match self {
            Self::Any => &[
                CZECH, DUTCH, ENGLISH, FRENCH, GERMAN, ITALIAN, POLISH, PORTUGUESE, RUSSIAN,
                SPANISH,
            ],
            Self::Czech => &[CZECH],
            Self::Dutch => &[DUTCH],
            Self::English => &[ENGLISH],
            Self::French => &[FRENCH],
            Self::German => &[GERMAN],
            Self::Italian => &[ITALIAN],
            Self::Polish => &[POLISH],
            Self::Portuguese => &[PORTUGUESE],
            Self::Russian => &[RUSSIAN],
            Self::Spanish => &[SPANISH],
        }
    }

    fn lists(self, list: impl Fn(&Words) -> &'static str, word: &str) -> bool {
        self.words().iter().any(|words| is_listed(list(words), word))
    }

    fn often_begins(self, word: &str) -> bool {
        self.lists(|words| words.beginnings, word)
    }
}

fn is_listed(list: &str, word: &str) -> bool {
    list.split(' ').any(|listed| listed == word)
}

/// What the marks that may end a sentence are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// One full stop.
    Stop,
    /// Several full stops, or a character that shows them.
    Ellipsis,
    /// A mark that stands for nothing else, such as a question mark.
    Clear,
    /// The same in Chinese and Japanese, where no blank follows.
    Wide,
}

impl Mark {
    fn of(character: char) -> Option<Mark> {
        match character {
            '.' => Some(Mark::Stop),
            '…' => Some(Mark::Ellipsis),
            '!' | '?' | '؟' | '۔' | '।' | '॥' | '‼' | '⁇' | '⁈' | '⁉' | '։' | '።' => {
                Some(Mark::Clear)
            }
            '。' | '！' | '？' | '｡' => Some(Mark::Wide),
            _ => None,
        }
    }

    /// What marks in a row are.
    fn with(self, next: Mark) -> Mark {
        match (self, next) {
            (Mark::Wide, _) | (_, Mark::Wide) => Mark::Wide,
            (Mark::Clear, _) | (_, Mark::Clear) => Mark::Clear,
            _ => Mark::Ellipsis,
        }
    }
}

fn closes(character: char) -> bool {
    matches!(
        character,
        '"' | '\''
            | '”'
            | '’'
            | '“'
            | '‘'
            | '»'
            | '«'
            | '›'
            | '‹'
            | ')'
            | ']'
            | '}'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
    )
}

fn opens(character: char) -> bool {
    let is_quote = matches!(
        character,
        '"' | '\''
            | '“'
            | '„'
            | '‚'
            | '‘'
            | '”'
            | '«'
            | '»'
            | '‹'
            | '›'
            | '('
            | '['
            | '{'
            | '¿'
            | '¡'
            | '「'
            | '『'
    );
    is_quote || matches!(character, '-' | '–' | '—' | '•' | '*')
}

/// The sentences of a text, each with the blanks behind it, the first with those before it too: one after the
/// other they are the text. A text without words is one sentence; the empty text has none.
///
/// A sentence begins with a capital letter, a number, or a letter of a script without capitals: a text all in
/// small letters is one sentence.
///
/// ```
/// use wdistill_text::{SentenceLanguage, sentences};
///
/// let text = "Mr. Smith paid 3.50 dollars. \"Why?\" he asked.";
/// let expected = ["Mr. Smith paid 3.50 dollars. ", "\"Why?\" he asked."];
/// assert_eq!(sentences(text, SentenceLanguage::English), expected);
/// ```
pub fn sentences(text: &str, language: SentenceLanguage) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut place = 0;
    // Opening guillemets less closing ones, which French sets apart with a blank.
    let mut open_guillemets = 0i64;
    while let Some(character) = text[place..].chars().next() {
        open_guillemets += i64::from(character == '«') - i64::from(character == '»');
        let Some(mark) = Mark::of(character) else {
            place += character.len_utf8();
            continue;
        };
        let (mark, marks) = all_marks(&text[place..], mark);
        let behind = closing(&text[place + marks..], open_guillemets);
        let end = place + marks + behind;
        let blanks = blanks(&text[end..]);
        let next = &text[end + blanks..];
        let here = Place {
            sentence: &text[start..place],
            mark,
            quoted: behind > 0,
            has_blanks: blanks > 0,
            next,
        };
        if here.is_end(language) {
            found.push(&text[start..end + blanks]);
            start = end + blanks;
            open_guillemets = 0;
        } else {
            let passed = &text[place..end];
            let count = |mark| passed.matches(mark).count() as i64;
            open_guillemets += count('«') - count('»');
        }
        place = end + blanks;
    }
    if start < text.len() {
        found.push(&text[start..]);
    }
    found
}

/// What all the marks at the start of a text are together, and their bytes.
fn all_marks(text: &str, first: Mark) -> (Mark, usize) {
    let marks = text.chars().map_while(|character| Some((Mark::of(character)?, character)));
    marks.fold((first, 0), |(all, bytes), (mark, character)| {
        let all = if bytes == 0 { all } else { all.with(mark) };
        (all, bytes + character.len_utf8())
    })
}

/// Bytes of the quotes and brackets that close here.
fn closing(text: &str, open_guillemets: i64) -> usize {
    let attached: usize = text.chars().take_while(|c| closes(*c)).map(char::len_utf8).sum();
    let rest = &text[attached..];
    let apart = blanks(rest);
    match open_guillemets > 0 && apart > 0 && rest[apart..].starts_with('»') {
        true => attached + apart + '»'.len_utf8(),
        false => attached,
    }
}

fn blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// A place where a sentence may end.
struct Place<'t> {
    /// The sentence before its mark.
    sentence: &'t str,
    mark: Mark,
    /// Whether quotes or brackets close behind the mark.
    quoted: bool,
    has_blanks: bool,
    /// What stands behind the blanks.
    next: &'t str,
}

/// Characters of a word that are looked at.
const LONGEST_WORD: usize = 24;

impl Place<'_> {
    fn is_end(&self, language: SentenceLanguage) -> bool {
        let said_on = self.quoted && !self.has_blanks && self.next.starts_with(['と', 'っ']);
        if self.mark == Mark::Wide {
            return !said_on && !self.next.is_empty();
        }
        let begins = |c: char| c.is_alphanumeric() && !c.is_lowercase();
        let next = self.next.trim_start_matches(|c: char| opens(c) || c.is_whitespace());
        if !self.has_blanks || !next.chars().next().is_some_and(begins) {
            return false;
        }
        self.mark != Mark::Stop || self.quoted || !self.is_abbreviated(next, language)
    }

    /// Whether the full stop belongs to the word before it.
    fn is_abbreviated(&self, next: &str, language: SentenceLanguage) -> bool {
        let word = last_word(self.sentence);
        let next_word: String =
            next.chars().take_while(|c| c.is_alphanumeric()).take(LONGEST_WORD).collect();
        let is_first = self.sentence.trim_start() == word;
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.') {
            let counts = match language {
                SentenceLanguage::German => !language.often_begins(&next_word),
                SentenceLanguage::Any => is_listed(COUNTED_IN_GERMAN, &next_word),
                _ => false,
            };
            let is_ordinal = word.split('.').all(|part| part.len() <= 2);
            // The number of a paragraph is no sentence.
            return is_first || (is_ordinal && counts);
        }
        if word.is_empty() {
            return false;
        }
        let small = word.to_lowercase();
        if language.lists(|words| words.titles, &small) {
            return true;
        }
        let before_number = next.starts_with(|c: char| c.is_numeric());
        if language.lists(|words| words.before_numbers, &small) && before_number {
            return true;
        }
        let may_end = language.lists(|words| words.may_end, &small)
            || is_initials(word)
            || (language == SentenceLanguage::German && is_roman(word));
        may_end && !language.often_begins(&next_word)
    }
}

/// The word at the end of a text, with the full stops inside it.
fn last_word(text: &str) -> &str {
    let in_word = |c: &char| c.is_alphanumeric() || matches!(c, '.' | 'º');
    let length = text
        .chars()
        .rev()
        .take(LONGEST_WORD)
        .take_while(in_word)
        .map(char::len_utf8)
        .sum::<usize>();
    text[text.len() - length..].trim_start_matches('.')
}

/// `J`, `z`, `U.S`, `Ph.D`: one letter, or short words with full stops between them.
fn is_initials(word: &str) -> bool {
    let parts = || word.split('.').map(|part| part.chars().count());
    let letters = word.chars().all(|c| c.is_alphabetic() || c == '.');
    letters
        && !word.is_empty()
        && match parts().count() {
            1 => word.chars().count() == 1,
            _ => parts().all(|letters| (1..=3).contains(&letters)),
        }
}

fn is_roman(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| matches!(c, 'I' | 'V' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use SentenceLanguage::{
        Any, Czech, Dutch, English, French, German, Italian, Polish, Russian, Spanish,
    };

    /// A text whose sentences are marked with `|`, in a language and where none is known.
    fn check(language: SentenceLanguage, marked: &str) {
        check_only(language, marked);
        check_only(Any, marked);
    }

    fn check_only(language: SentenceLanguage, marked: &str) {
        let expected: Vec<&str> = marked.split('|').collect();
        assert_eq!(sentences(&expected.concat(), language), expected, "{language:?}");
    }

    #[test]
    fn sentences_end_with_their_marks_and_keep_their_blanks() {
        check(English, "The doctor moved to Munich. |The artist bought guitars. |My dog ran.");
        check(English, "  Is it you?\t|Yes!  |Really?! |I am.  ");
        check(English, "No mark at all");
        check(English, "   ");
        assert!(sentences("", Any).is_empty());
        check(English, "All. in small letters. is one sentence.");
        check(English, "He left.Nobody saw it.");
    }

    #[test]
    fn abbreviations_and_initials_end_no_sentence() {
        check(English, "Mr. Smith met Dr. J. R. Brown, Ph.D. Kelly and others. |They ate.");
        check(English, "Compare Fig. 3 and No. 5. |No. |He said no. |It rained.");
        check(
            English,
            "He lives in the U.S. |How about you? |The U.S. Army came at 5 p.m. |They left.",
        );
        check(English, "Smith Inc. London bought it etc. |The end.");
        check(
            German,
            "Das ist z. B. Herr Prof. Dr. Maier bzw. Frau Müller. |Er kommt usw. |Sie nicht.",
        );
        check(German, "Vgl. Abb. 3 und Nr. 7. |Die Dipl.-Ing. Klein sah es, d. h. Otto.");
        check(French, "M. Dupont et Mme. Curie, cf. Annexe. |Ils dînent à St. Malo, p. 3.");
        check(Spanish, "El Sr. García y la Dra. Ruiz llegaron. |¿Por qué? |¡Nadie lo sabe!");
        check(Italian, "Il sig. Rossi e la dott. Bianchi, pag. 3. |La casa, ecc. |Il cane.");
        check(Dutch, "Dhr. Jansen en prof. Smit, bijv. Piet. |Hij komt.");
        check(Polish, "Prof. Nowak mieszka na ul. Długiej. |To np. Kraków itd. |On śpi.");
        check(Czech, "Prof. Novák a sv. Václav, str. 5. |Ten pes spí atd. |On ne.");
        check(Russian, "А. С. Пушкин жил на ул. Мойка. |Он умер в 1837 г. |Это знают все.");
    }

    #[test]
    fn numbers_are_looked_into() {
        check(English, "It costs 3.50 or 1.000 dollars. |24 came in 2010. |They left. |10 stayed.");
        check(English, "1. Open the door. |2. Close it. |He was 24. |Then he left.");
        check(German, "Am 3. Oktober 1990 war es so. |Im 19. Jahrhundert nicht.");
        check_only(
            German,
            "Er wurde 24. |Er ging am 24. |Das war sein 3. Versuch, wie Ludwig XIV. König.",
        );
    }

    #[test]
    fn quotes_and_brackets_close_a_sentence() {
        check(English, "\"Stop!\" he said. |\"Why?\" |She left. |(It rained.) |We sat.");
        check(English, "He said: “Go.” |“No.” |‘Well.’ |Then—nothing.");
        check(German, "»Ja.« |»Nein.« |„Doch!“ |Er ging. |„Wirklich?“, fragte sie.");
        check(French, "« Bonjour ! » dit-il. |« Ça va ? » |Elle rit. |— Oui. |— Non.");
    }

    #[test]
    fn an_ellipsis_ends_a_sentence_before_a_capital_letter() {
        check(English, "Well... maybe. |He waited… |Nobody came... |She left. . . |The end.");
    }

    #[test]
    fn scripts_without_blanks_or_capitals_have_sentences() {
        check(Any, "他来了。|她走了！|真的吗？|是。");
        check(Any, "「行こう。」と彼は言った。|雨だ。");
        check(Any, "वह आया। |वह गया।");
        check(Any, "هل جاء؟ |نعم.");
    }

    #[test]
    fn whatever_the_text_its_sentences_are_the_text() {
        let marks = ["a", "A", ".", "!", "。", " ", "»", "«", "\"", "1", "…", "\u{a0}", "é"];
        let mut state = 1u64;
        for length in 0..2000 {
            let mut text = String::new();
            for _ in 0..length % 40 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                text += marks[(state >> 33) as usize % marks.len()];
            }
            let found = sentences(&text, Any);
            assert_eq!(found.concat(), text);
            assert!(found.iter().all(|sentence| !sentence.is_empty()), "{text:?}");
        }
    }
}
