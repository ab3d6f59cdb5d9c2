//! What stands between a program and a card: on systems that lack one thing each, and on the one that this test runs on.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use wdistill_base::Hinted;
use wdistill_cuda::{
    Capability, Card, CudaError, LIBRARIES_VARIABLE, Library, System, load_library, look_for_card,
};

/// A system that can be told what it lacks.
struct Fake {
    /// What the system's loader finds.
    found: Vec<Library>,
    /// Files that can be loaded by their path.
    files: Vec<PathBuf>,
    loaded: RefCell<Vec<PathBuf>>,
    started: Result<(), CudaError>,
    version: i32,
    cards: Vec<(&'static str, Capability)>,
}

impl Fake {
    /// A system with everything.
    fn new() -> Fake {
        Fake {
            found: Library::ALL.to_vec(),
            files: Vec::new(),
            loaded: RefCell::default(),
            started: Ok(()),
            version: 12_040,
            cards: vec![
                ("H100", Capability { major: 9, minor: 0 }),
                ("A100", Capability { major: 8, minor: 0 }),
            ],
        }
    }

    fn look(&self, number: usize) -> Result<Capability, CudaError> {
        look_for_card(self, &[], number)
    }
}

impl System for Fake {
    fn load(&self, file: &Path) -> bool {
        let is_there = self.files.iter().any(|there| there == file);
        if is_there {
            self.loaded.borrow_mut().push(file.to_owned());
        }
        is_there
    }

    fn finds(&self, library: Library) -> bool {
        let is_loaded = self.loaded.borrow().iter().any(|file| file.ends_with(library.file()));
        is_loaded || self.found.contains(&library)
    }

    fn start(&self) -> Result<(), CudaError> {
        self.started.clone()
    }

    fn driver_version(&self) -> Result<i32, CudaError> {
        Ok(self.version)
    }

    fn cards(&self) -> Result<usize, CudaError> {
        Ok(self.cards.len())
    }

    fn card(&self, number: usize) -> Result<(String, Capability), CudaError> {
        let (name, capability) = self.cards[number];
        Ok((name.to_owned(), capability))
    }
}

/// What a user reads.
fn lines(error: CudaError) -> (String, String) {
    (error.to_string(), error.hint().unwrap_or_default())
}

#[test]
fn a_whole_system_has_its_cards() {
    let system = Fake::new();
    assert_eq!(system.look(0), Ok(Capability { major: 9, minor: 0 }));
    assert_eq!(system.look(1), Ok(Capability { major: 8, minor: 0 }));
}

#[test]
fn a_missing_library_is_named_with_a_way_to_get_it() {
    let without = |library| {
        let found = Library::ALL.into_iter().filter(|other| *other != library).collect();
        lines(Fake { found, ..Fake::new() }.look(0).unwrap_err())
    };
    let (fact, hint) = without(Library::Driver);
    assert_eq!(fact, "cannot load libcuda.so.1, looked for in the system's folders of libraries");
    assert!(hint.starts_with("install the driver"), "{hint}");
    let (fact, hint) = without(Library::Compiler);
    assert!(fact.starts_with("cannot load libnvrtc.so.12"), "{fact}");
    assert!(hint.contains("pip install nvidia-cuda-nvrtc-cu12"), "{hint}");
    assert!(hint.contains(LIBRARIES_VARIABLE), "{hint}");
    let (fact, hint) = without(Library::Products);
    assert!(fact.starts_with("cannot load libcublasLt.so.12"), "{fact}");
    assert!(hint.contains("pip install nvidia-cublas-cu12"), "{hint}");
}

#[test]
fn the_first_folder_that_has_a_library_gives_it() {
    let folders = ["/none", "/wheel", "/other"].map(PathBuf::from);
    let file = |folder: &str| Path::new(folder).join(Library::Compiler.file());
    let files = vec![file("/wheel"), file("/other")];
    let system = Fake { found: vec![Library::Driver], files, ..Fake::new() };
    load_library(&system, &folders, Library::Compiler).unwrap();
    assert_eq!(*system.loaded.borrow(), [file("/wheel")]);
    let (fact, _) = lines(load_library(&system, &folders, Library::Products).unwrap_err());
    let looked = "/none, /wheel, /other, the system's folders of libraries";
    assert_eq!(fact, format!("cannot load libcublasLt.so.12, looked for in {looked}"));
}

#[test]
fn a_card_that_is_missing_comes_before_libraries_that_are() {
    let bare = || Fake { found: vec![Library::Driver], ..Fake::new() };
    let none = Fake { cards: Vec::new(), ..bare() }.look(0).unwrap_err();
    assert_eq!(none, CudaError::NoCard);
    assert!(none.hint().unwrap().contains("CUDA_VISIBLE_DEVICES"));
    let refused = Fake { started: Err(CudaError::NoCard), ..bare() };
    assert_eq!(refused.look(0), Err(CudaError::NoCard));
    let (fact, hint) = lines(bare().look(2).unwrap_err());
    assert_eq!(fact, "there is no card 2, the driver finds 2, counted from 0");
    assert_eq!(hint, "name a number from 0 to 1");
}

#[test]
fn what_is_too_old_is_named_with_what_would_do() {
    let (fact, hint) = lines(Fake { version: 11_080, ..Fake::new() }.look(0).unwrap_err());
    assert_eq!(fact, "the driver is made for CUDA 11.8, expected 12.0 or newer");
    assert!(hint.contains("nvidia-smi"), "{hint}");
    let cards = vec![("Tesla T4", Capability { major: 7, minor: 5 })];
    let (fact, hint) = lines(Fake { cards, ..Fake::new() }.look(0).unwrap_err());
    assert_eq!(fact, "Tesla T4 has compute capability 7.5, expected 8.0 or more");
    assert!(hint.contains("bfloat16"), "{hint}");
}

#[test]
fn a_failing_driver_is_quoted() {
    let problem = CudaError::call("cuInit", "unknown error");
    let system = Fake { started: Err(problem.clone()), ..Fake::new() };
    assert_eq!(system.look(0), Err(problem.clone()));
    assert_eq!(lines(problem), ("cuInit: unknown error".to_owned(), String::new()));
}

#[test]
fn a_machine_without_driver_says_so() {
    // Asked of the system by another way than the crate's own.
    // SAFETY: the driver's initialiser runs, as it does when the card is opened.
    #[allow(unsafe_code)]
    let has_driver = unsafe { libloading::Library::new(Library::Driver.file()) }.is_ok();
    let opened = Card::open(0);
    let names_driver =
        matches!(&opened, Err(CudaError::NoLibrary { library: Library::Driver, .. }));
    assert_eq!(names_driver, !has_driver, "{opened:?}");
}
