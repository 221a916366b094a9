use std::path::PathBuf;
use std::sync::OnceLock;

use countersign_e2e::Cluster;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::node;

#[test]
fn the_way_to_the_database_is_encrypted_and_its_certificate_checked() {
    let guarded = guarded();
    for query in [
        format!("sslmode=verify-full&sslrootcert={}", guarded.right.display()),
        "sslmode=require".to_owned(),
        String::new(),
    ] {
        let (database, url) = guarded.database("localhost", &query);
        let world = node(&url).start();
        world.user("alice");
        let mut browser = world.logged_in("alice");
        browser.refresh().expect(200);
        let ssl = "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
            WHERE a.application_name = 'countersign' AND a.datname = current_database()";
        assert_eq!(guarded.cluster.sql(&database, ssl), "t", "{query}");
        browser.logout().expect(204);
    }
}

#[test]
fn an_impostor_in_the_databases_place_is_not_spoken_to() {
    let guarded = guarded();
    for (host, query, why) in [
        (
            "localhost",
            format!("sslmode=verify-full&sslrootcert={}", guarded.wrong.display()),
            "UnknownIssuer",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&sslrootcert={}", guarded.wrong.display()),
            "UnknownIssuer",
        ),
        // With authorities of its own, `require` checks as `verify-ca` does, as libpq has it.
        (
            "localhost",
            format!("sslmode=require&sslrootcert={}", guarded.wrong.display()),
            "UnknownIssuer",
        ),
        // The machine's authorities do not know it either.
        ("localhost", "sslmode=verify-full".to_owned(), "UnknownIssuer"),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&sslrootcert={}", guarded.right.display()),
            "not valid for name",
        ),
    ] {
        let said = node(&guarded.database(host, &query).1)
            .asleep()
            .try_wake(&[])
            .expect_err("it must not start");
        assert!(said.contains(why), "{query}: {said}");
    }
}

#[test]
fn a_certificate_of_the_right_authority_for_another_name_is_enough_for_verify_ca() {
    let guarded = guarded();
    let world = node(
        &guarded
            .database(
                "127.0.0.1",
                &format!("sslmode=verify-ca&sslrootcert={}", guarded.right.display()),
            )
            .1,
    )
    .start();
    world.user("alice");
    world.logged_in("alice").refresh().expect(200);
}

#[test]
fn a_database_without_tls_is_refused_where_tls_is_required() {
    // A socket has no TLS.
    let url = Cluster::shared().database();
    let said = node(&format!("{url}?sslmode=require"))
        .asleep()
        .try_wake(&[])
        .expect_err("it must not start");
    assert!(said.contains("TLS"), "{said}");
    node(&format!("{url}?sslmode=disable")).start();
}

#[test]
fn a_bad_setting_of_tls_stops_the_start_with_the_reason() {
    for (query, why) in [
        ("sslmode=perhaps", "there is no sslmode \"perhaps\""),
        ("sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "sslrootcert /nowhere/ca.pem"),
        ("sslmode=verify-full&sslrootcert=/dev/null", "there is no certificate in it"),
    ] {
        let said = node(&format!("postgres://postgres@127.0.0.1:1/none?{query}"))
            .asleep()
            .try_wake(&[])
            .expect_err("it must not start");
        assert!(said.contains(why), "{said}");
    }
}

/// A cluster with a certificate for `localhost`, the file of the authority that signed it, and that
/// of another.
struct Guarded {
    cluster: Cluster,
    right: PathBuf,
    wrong: PathBuf,
    _files: TempDir,
}

impl Guarded {
    /// A new database: its name, and its URL.
    fn database(&self, host: &str, query: &str) -> (String, String) {
        let database = self.cluster.database().rsplit('/').next().expect("a name").to_owned();
        let url = format!("postgres://postgres@{host}:{}/{database}?{query}", self.cluster.port());
        (database, url)
    }
}

fn guarded() -> &'static Guarded {
    static GUARDED: OnceLock<Guarded> = OnceLock::new();
    GUARDED.get_or_init(|| {
        let files = tempfile::tempdir().unwrap();
        let [(right, authority), (wrong, _)] = ["right", "wrong"].map(|name| {
            let mut params = CertificateParams::new([]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let file = files.path().join(format!("{name}.pem"));
            std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
            (file, Issuer::new(params, key))
        });
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let cluster = Cluster::with_tls(&certificate.pem(), &key.serialize_pem());
        cluster.mark_gone();
        Guarded { cluster, right, wrong, _files: files }
    })
}
