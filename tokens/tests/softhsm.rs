//! Keys in the software token SoftHSM, where it is installed, also behind a module that fails where it is told to.
//!
//! SoftHSM takes its place from the environment, so each test runs once more as a program of its own, with a token there.

#![allow(clippy::disallowed_methods, reason = "runs itself and the C compiler on temporary files")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as ModuleError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use sealwax_keys::{Error as KeyError, KeyKind, Scheme, SecretKey};
use sealwax_tokens::{Error, KeyUri, Token};
use zeroize::Zeroizing;

const PIN: &str = "swordfish";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// A token called `test`, and what its tests do in it.
struct Hsm {
    dir: PathBuf,
    module: PathBuf,
    context: Pkcs11,
}

/// Runs the test `name` in a process of its own, if this is not it already.
fn with_token(name: &str, test: fn(&Hsm)) {
    let Some(module) = MODULES.map(PathBuf::from).into_iter().find(|path| path.exists()) else {
        println!("skipped: {name} (libsofthsm2.so is not installed)");
        return;
    };
    if let Some(dir) = env::var_os("SEALWAX_TEST_TOKEN") {
        let hsm = Hsm::new(PathBuf::from(dir), module);
        return test(&hsm);
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tokens")).unwrap();
    let config = dir.path().join("softhsm2.conf");
    let tokens = dir.path().join("tokens");
    fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &config)
        .env("SEALWAX_TEST_TOKEN", dir.path())
        .env("FAULTY_MODULE", &module)
        .env("FAULTY_FILE", dir.path().join("fault"))
        .env("FAULTY_LOGINS", dir.path().join("logins"))
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{name}: {text}");
}

impl Hsm {
    fn new(dir: PathBuf, module: PathBuf) -> Self {
        let context = Pkcs11::new(&module).unwrap();
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let hsm = Self { dir, module, context };
        hsm.add_token("test");
        hsm
    }

    fn add_token(&self, label: &str) {
        let slot = *self.context.get_all_slots().unwrap().last().unwrap();
        let officer = AuthPin::from("officer-pin");
        self.context.init_token(slot, &officer, label).unwrap();
        let session = self.context.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&officer)).unwrap();
        session.init_pin(&AuthPin::from(PIN)).unwrap();
    }

    /// A session that may change what is in the token.
    fn session(&self) -> Session {
        let slot = self.context.get_slots_with_initialized_token().unwrap()[0];
        let session = self.context.open_rw_session(slot).unwrap();
        // A key that is open has logged the process in.
        let login = session.login(UserType::User, Some(&AuthPin::from(PIN)));
        assert!(matches!(login, Ok(()) | Err(ModuleError::Pkcs11(RvError::UserAlreadyLoggedIn, _))));
        session
    }

    fn find(&self, rest: &str) -> Result<Token, Error> {
        Token::find(&KeyUri::parse(&format!("pkcs11:token=test;{rest}")).unwrap(), &self.module)
    }

    fn open(&self, rest: &str) -> Result<SecretKey, Error> {
        self.find(rest)?.open(Some(pin()))
    }

    fn generate(&self, name: &str, kind: KeyKind) -> SecretKey {
        self.find(&format!("object={name}")).unwrap().generate(kind, Some(pin())).unwrap()
    }

    fn make_pair(&self, public: &[Attribute], private: &[Attribute]) {
        let p256 = vec![0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let public = [&[Attribute::Token(true), Attribute::EcParams(p256)], public].concat();
        let private = [&[Attribute::Token(true)], private].concat();
        self.session().generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    }

    /// The path of the faulty module, or `None` where there is no C compiler.
    fn faulty(&self) -> Option<Faulty> {
        let library = self.dir.join("faulty.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faulty.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .status();
        if !built.is_ok_and(|status| status.success()) {
            println!("skipped: a faulty module (no C compiler)");
            return None;
        }
        Some(Faulty { dir: self.dir.clone(), library })
    }
}

/// The module that fails where it is told to.
struct Faulty {
    dir: PathBuf,
    library: PathBuf,
}

impl Faulty {
    fn set(&self, fault: &str) {
        fs::write(self.dir.join("fault"), fault).unwrap();
    }

    fn logins(&self) -> usize {
        fs::read_to_string(self.dir.join("logins")).unwrap_or_default().lines().count()
    }

    fn open(&self, object: &str) -> Result<SecretKey, Error> {
        let uri = KeyUri::parse(&format!("pkcs11:token=test;object={object}")).unwrap();
        Token::find(&uri, &self.library)?.open(Some(pin()))
    }
}

fn pin() -> Zeroizing<String> {
    Zeroizing::new(PIN.to_owned())
}

fn check(key: &SecretKey, scheme: Scheme) {
    let signature = key.sign_with(scheme, b"message").unwrap();
    key.public_key().verify(scheme, b"message", &signature).unwrap();
}

fn label(text: &str) -> Attribute {
    Attribute::Label(text.as_bytes().to_vec())
}

fn id(text: &str) -> Attribute {
    Attribute::Id(text.as_bytes().to_vec())
}

#[test]
fn a_key_is_made_in_the_token_and_signs() {
    with_token("a_key_is_made_in_the_token_and_signs", |hsm| {
        for (name, kind, scheme) in [
            ("p256", KeyKind::P256, Scheme::EcdsaP256Sha256),
            ("p384", KeyKind::P384, Scheme::EcdsaP384Sha384),
            ("ed25519", KeyKind::Ed25519, Scheme::Ed25519),
        ] {
            let made = hsm.generate(name, kind);
            assert_eq!(made.public_key().kind(), kind);
            // An r or an s of fewer bytes than the rest is one in 128.
            for _ in 0..300 {
                check(&made, scheme);
            }
            let found = hsm.open(&format!("object={name};id={name};type=private")).unwrap();
            assert_eq!(found.public_key(), made.public_key());
            check(&found, scheme);
            assert_eq!(made.to_pkcs8_pem(None).map(drop), Err(KeyError::HeldElsewhere));
        }
        let session = hsm.session();
        let private = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
        assert_eq!(private.len(), 3);
        for key in private {
            let wanted = [AttributeType::Extractable, AttributeType::Sensitive, AttributeType::Private];
            let secrecy = session.get_attributes(key, &wanted).unwrap();
            let expected =
                [Attribute::Extractable(false), Attribute::Sensitive(true), Attribute::Private(true)];
            assert!(expected.iter().all(|attribute| secrecy.contains(attribute)), "{secrecy:?}");
        }
    });
}

#[test]
fn a_key_made_elsewhere_signs_rsa_too() {
    with_token("a_key_made_elsewhere_signs_rsa_too", |hsm| {
        for (bits, scheme) in
            [(2048_u64, Scheme::RsaPkcs1v15_2048Sha256), (3072, Scheme::RsaPkcs1v15_3072Sha256)]
        {
            let name = label(&format!("rsa{bits}"));
            let public = [
                Attribute::Token(true),
                Attribute::ModulusBits(bits.into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                name.clone(),
            ];
            let private = [Attribute::Token(true), Attribute::Sign(true), name];
            hsm.session().generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap();
            check(&hsm.open(&format!("object=rsa{bits}")).unwrap(), scheme);
        }
        hsm.make_pair(&[label("nameless")], &[label("nameless"), Attribute::Sign(true)]);
        check(&hsm.open("object=nameless").unwrap(), Scheme::EcdsaP256Sha256);
    });
}

#[test]
fn only_the_one_key_that_is_described_is_opened() {
    with_token("only_the_one_key_that_is_described_is_opened", |hsm| {
        hsm.generate("mine", KeyKind::P256);
        for absent in ["object=other", "object=min", "object=mine;id=other", "id=other"] {
            assert_eq!(hsm.open(absent).map(drop), Err(Error::NoKey), "{absent}");
        }
        let again = |rest| hsm.find(rest).unwrap().generate(KeyKind::P256, Some(pin())).map(drop);
        assert_eq!(again("object=mine"), Err(Error::Exists));
        assert_eq!(again("object=mine;id=new"), Err(Error::Exists));
        assert_eq!(again("object=new;id=mine"), Err(Error::Exists));
        assert!(matches!(again("id=new"), Err(Error::Uri { .. })));
        for kind in [KeyKind::Rsa, KeyKind::P521] {
            let made = hsm.find("object=new").unwrap().generate(kind, Some(pin())).map(drop);
            assert_eq!(made, Err(Error::Key(KeyError::CannotGenerate { kind })));
        }

        for number in ["1", "2"] {
            hsm.make_pair(&[label("twin"), id(number)], &[label("twin"), id(number), Attribute::Sign(true)]);
        }
        assert_eq!(hsm.open("object=twin").map(drop), Err(Error::ManyKeys { count: 2 }));
        hsm.open("object=twin;id=2").unwrap();

        hsm.make_pair(&[label("mute"), id("mute")], &[label("mute"), id("mute"), Attribute::Sign(false)]);
        assert_eq!(hsm.open("object=mute").map(drop), Err(Error::NotForSigning));

        hsm.generate("half", KeyKind::P256);
        let session = hsm.session();
        let destroy = |class| {
            let found = session.find_objects(&[Attribute::Class(class), label("half")]).unwrap();
            session.destroy_object(found[0]).unwrap();
        };
        destroy(ObjectClass::PRIVATE_KEY);
        assert_eq!(hsm.open("object=half").map(drop), Err(Error::PublicOnly));
        destroy(ObjectClass::PUBLIC_KEY);
        assert_eq!(hsm.open("object=half").map(drop), Err(Error::NoKey));

        hsm.make_pair(&[label("lonely"), id("a")], &[label("lonely"), id("b"), Attribute::Sign(true)]);
        assert_eq!(hsm.open("object=lonely").map(drop), Err(Error::NoPublicHalf));
    });
}

#[test]
fn only_the_one_token_that_is_described_is_used() {
    with_token("only_the_one_token_that_is_described_is_used", |hsm| {
        hsm.generate("key", KeyKind::P256);
        let find = |text: &str| Token::find(&KeyUri::parse(text).unwrap(), &hsm.module).map(drop);
        for absent in
            ["token=other", "token=tes", "token=test;serial=0", "token=test;model=x", "manufacturer=x"]
        {
            assert_eq!(find(&format!("pkcs11:{absent};object=key")), Err(Error::NoToken), "{absent}");
        }
        assert_eq!(find("pkcs11:object=key"), Ok(()));
        hsm.add_token("second");
        assert_eq!(find("pkcs11:object=key"), Err(Error::ManyTokens { count: 2 }));
        assert_eq!(find("pkcs11:token=second;object=key"), Ok(()));
        hsm.add_token("test");
        assert_eq!(find("pkcs11:token=test;object=key"), Err(Error::ManyTokens { count: 2 }));
    });
}

#[test]
fn what_is_no_module_is_refused() {
    with_token("what_is_no_module_is_refused", |hsm| {
        let uri = KeyUri::parse("pkcs11:object=key").unwrap();
        let find = |path: &Path| Token::find(&uri, path).map(drop);
        let text = hsm.dir.join("text.so");
        fs::write(&text, "not a library").unwrap();
        let directory = hsm.dir.clone();
        for path in
            [text, directory, hsm.dir.join("nothing.so"), PathBuf::from("/lib/x86_64-linux-gnu/libm.so.6")]
        {
            assert!(matches!(find(&path), Err(Error::Module { .. })), "{}", path.display());
        }
        for path in ["libsofthsm2.so", "./libsofthsm2.so", "softhsm/libsofthsm2.so"] {
            assert_eq!(find(Path::new(path)), Err(Error::RelativeModule), "{path}");
        }
    });
}

#[test]
fn a_wrong_pin_opens_nothing_and_is_not_repeated() {
    with_token("a_wrong_pin_opens_nothing_and_is_not_repeated", |hsm| {
        hsm.generate("key", KeyKind::P256);
        assert_eq!(hsm.find("object=key").unwrap().wants_pin(), Ok(true));
        assert_eq!(hsm.find("object=key").unwrap().open(None).map(drop), Err(Error::PinNeeded));
        for wrong in ["swordfisch", "", "1"] {
            let token = hsm.find("object=key").unwrap();
            let refused = token.open(Some(Zeroizing::new(wrong.to_owned()))).map(drop).unwrap_err();
            assert!(matches!(refused, Error::WrongPin { .. }), "{refused:?}");
            assert!(!format!("{refused} {refused:?}").contains("swordfisch"));
        }
        hsm.open("object=key").unwrap();
    });
}

#[test]
fn a_lost_session_is_opened_again() {
    with_token("a_lost_session_is_opened_again", |hsm| {
        let key = hsm.generate("key", KeyKind::P256);
        // All sessions of a process are logged out together.
        hsm.session().logout().unwrap();
        check(&key, Scheme::EcdsaP256Sha256);
        // A module that was stopped, as a forked process finds it.
        hsm.context.clone().finalize().unwrap();
        check(&key, Scheme::EcdsaP256Sha256);

        let session = hsm.session();
        for object in session.find_objects(&[label("key")]).unwrap() {
            session.destroy_object(object).unwrap();
        }
        drop(session);
        let gone = |key: &SecretKey, what: &Error| {
            assert_eq!(
                key.sign(b"message"),
                Err(KeyError::Holder { reason: format!("{what} (the key key)") })
            );
        };
        gone(&key, &Error::NoKey);
        // A key of the same name is not the key.
        hsm.generate("key", KeyKind::P256);
        gone(&key, &Error::Replaced);
    });
}

#[test]
fn two_keys_of_a_token_do_not_end_each_other() {
    with_token("two_keys_of_a_token_do_not_end_each_other", |hsm| {
        let first = hsm.generate("first", KeyKind::P256);
        let second = hsm.generate("second", KeyKind::P256);
        drop(second);
        check(&first, Scheme::EcdsaP256Sha256);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| check(&first, Scheme::EcdsaP256Sha256)));
            }
        });
    });
}

#[test]
fn a_token_that_is_removed_signs_when_it_is_back() {
    with_token("a_token_that_is_removed_signs_when_it_is_back", |hsm| {
        hsm.generate("key", KeyKind::P256);
        let Some(faulty) = hsm.faulty() else { return };
        let key = faulty.open("key").unwrap();
        check(&key, Scheme::EcdsaP256Sha256);
        faulty.set("removed");
        for _ in 0..3 {
            let refused = key.sign(b"message");
            assert_eq!(
                refused,
                Err(KeyError::Holder { reason: format!("{} (the key key)", Error::NoToken) })
            );
        }
        assert_eq!(faulty.open("key").map(drop), Err(Error::NoToken));
        faulty.set("");
        check(&key, Scheme::EcdsaP256Sha256);
    });
}

#[test]
fn a_pin_that_is_refused_later_is_tried_once() {
    with_token("a_pin_that_is_refused_later_is_tried_once", |hsm| {
        hsm.generate("key", KeyKind::P256);
        let Some(faulty) = hsm.faulty() else { return };
        for fault in ["pin", "locked"] {
            faulty.set("");
            let key = faulty.open("key").unwrap();
            check(&key, Scheme::EcdsaP256Sha256);
            faulty.set(fault);
            let before = faulty.logins();
            for _ in 0..5 {
                let Err(KeyError::Holder { reason }) = key.sign(b"message") else { panic!("signed") };
                assert!(reason.contains("PIN") && !reason.contains(PIN), "{reason}");
            }
            assert_eq!(faulty.logins(), before + 1);
        }
        assert_eq!(faulty.open("key").map(drop), Err(Error::PinLocked));
    });
}

#[test]
fn a_token_that_lies_publishes_nothing() {
    with_token("a_token_that_lies_publishes_nothing", |hsm| {
        hsm.generate("ecdsa", KeyKind::P384);
        hsm.generate("ed25519", KeyKind::Ed25519);
        let Some(faulty) = hsm.faulty() else { return };
        for (name, scheme) in [("ecdsa", Scheme::EcdsaP384Sha384), ("ed25519", Scheme::Ed25519)] {
            let key = faulty.open(name).unwrap();
            check(&key, scheme);
            faulty.set("lies");
            assert_eq!(key.sign_with(scheme, b"message"), Err(KeyError::HolderSignature));
            faulty.set("");
        }
        // SoftHSM makes a pure signature where a prehashed one is asked for.
        let key = faulty.open("ed25519").unwrap();
        assert!(matches!(key.sign(b"message"), Err(KeyError::HolderSignature | KeyError::Holder { .. })));
    });
}
