//! Every act of an operator, from the shell and from the site, is in the audit log with who did it.

use std::process::Command;

use countersign_e2e::{Cluster, Desk, Finished, PASSWORD, TestServer, eventually};
use serde_json::Value;

use crate::office::{edit, furnish, grant, group, permission};

/// A server, and how its database is asked.
struct Installation {
    world: TestServer,
    url: Option<String>,
}

impl Installation {
    fn each() -> [Self; 2] {
        let url = Cluster::shared().database();
        let on_postgres = TestServer::builder()
            .set("database_url", &url)
            .set("secret", "a secret of at least thirty-two characters");
        [
            Self { world: TestServer::start(), url: None },
            Self { world: on_postgres.start(), url: Some(url) },
        ]
    }

    fn sql(&self, sql: &str) -> String {
        match &self.url {
            None => self.world.sql(sql),
            Some(url) => Cluster::shared().sql(url.rsplit('/').next().unwrap(), sql),
        }
    }

    /// Kind, actor's id, actor's name and address of the lines that operators left, the oldest
    /// first.
    fn lines(&self) -> Vec<String> {
        let acts = "kind NOT LIKE 'login%' AND kind NOT LIKE 'admin_log%' AND \
            coalesce(CAST(actor_id AS text), '') <> '0'";
        let line = "kind || ' ' || coalesce(CAST(actor_id AS text), '-') || ' ' || coalesce(actor, \
            '-') || ' ' || coalesce(ip, '-')";
        let found = self.sql(&format!("SELECT {line} FROM audit_events WHERE {acts} ORDER BY id"));
        found.lines().map(str::to_owned).collect()
    }

    /// Does something that leaves exactly these lines, or none.
    fn does(&self, what: &str, expected: &[String], act: impl FnOnce()) {
        let before = self.lines().len();
        act();
        assert_eq!(self.lines()[before..], *expected, "{what}");
    }

    fn cli(&self, arguments: &[&str]) -> Finished {
        let mut command = self.world.command(arguments);
        command
            .env("COUNTERSIGN_PASSWORD", PASSWORD)
            .env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD);
        // What anybody may write into the environment is not who it is.
        command.env("USER", "mallory").env("LOGNAME", "mallory").env("SUDO_USER", "mallory");
        Finished(command.output().unwrap())
    }

    fn oldest_key(&self) -> String {
        let listed: Value =
            serde_json::from_str(&self.cli(&["keys", "list", "--json"]).ok()).unwrap();
        listed[0]["kid"].as_str().unwrap().to_owned()
    }
}

/// Whom the system says that the tests run as.
fn own_name() -> String {
    String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn every_act_from_the_shell_leaves_one_line_with_the_systems_user() {
    for mut installation in Installation::each() {
        let shell = format!("- shell:{} -", own_name());
        let line = |kind: &str| vec![format!("{kind} {shell}")];
        let acts: [(&[&str], &str); 11] = [
            (
                &[
                    "createsuperuser",
                    "--noinput",
                    "--username",
                    "root",
                    "--email",
                    "root@example.com",
                ],
                "user_added",
            ),
            (
                &[
                    "user",
                    "create",
                    "--noinput",
                    "--username",
                    "alice",
                    "--email",
                    "alice@example.com",
                ],
                "user_added",
            ),
            (&["user", "deactivate", "alice"], "user_deactivated"),
            (&["user", "activate", "alice"], "user_activated"),
            (&["changepassword", "--noinput", "alice"], "password_set"),
            (&["session", "revoke", "SESSION"], "sessions_ended"),
            (&["session", "revoke", "--user", "alice"], "sessions_ended"),
            (&["keys", "rotate"], "keys_rotated"),
            (&["keys", "rotate", "--now"], "keys_rotated"),
            (&["keys", "export", "KEY", "--private"], "key_exported"),
            (&["user", "delete", "alice", "--noinput"], "user_deleted"),
        ];
        for (arguments, kind) in acts {
            let mut arguments: Vec<String> =
                arguments.iter().map(|&argument| argument.to_owned()).collect();
            if arguments.last().is_some_and(|last| last == "SESSION") {
                installation.world.logged_in("alice");
                let listed: Value =
                    serde_json::from_str(&installation.cli(&["session", "list", "--json"]).ok())
                        .unwrap();
                *arguments.last_mut().unwrap() = listed[0]["id"].as_str().unwrap().to_owned();
            }
            if let Some(key) = arguments.iter_mut().find(|argument| *argument == "KEY") {
                *key = installation.oldest_key();
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            installation.does(&arguments.join(" "), &line(kind), || {
                drop(installation.cli(&arguments).ok());
            });
        }
        // What is not done leaves no line, and what only looks neither.
        installation
            .cli(&["user", "create", "--noinput", "--username", "bob", "--unusable-password"])
            .ok();
        let refused: [&[&str]; 8] = [
            &["user", "create", "--noinput", "--username", "ROOT"],
            &["user", "create", "--noinput", "--username", "carol", "--email", "root@example.com"],
            &["user", "deactivate", "root"],
            &["user", "delete", "root", "--noinput"],
            &["user", "delete", "nobody", "--noinput"],
            &["session", "revoke", "0000000000000001"],
            &["changepassword", "--noinput", "nobody"],
            &["keys", "export", "0000000000000000", "--private"],
        ];
        for arguments in refused {
            installation
                .does(&arguments.join(" "), &[], || drop(installation.cli(arguments).fails(1)));
        }
        for arguments in [
            &["user", "list"][..],
            &["user", "show", "root"],
            &["session", "list"],
            &["keys", "list"],
            &["keys", "export", &installation.oldest_key()],
            &["user", "activate", "bob"],
        ] {
            installation.does(&arguments.join(" "), &[], || drop(installation.cli(arguments).ok()));
        }
        assert!(
            installation
                .cli(&["user", "delete", "root", "--noinput"])
                .fails(1)
                .contains("nobody would be left who can do everything")
        );

        installation.world.stop();
        let before = installation.lines().len();
        installation.world.try_wake(&["--after-restore", "2001-01-01T00:00:00Z"]).unwrap();
        let both = [line("keys_rotated"), line("sessions_ended")].concat();
        assert_eq!(installation.lines()[before..], both, "serve --after-restore");

        // The site shows who it was, finds it by the name, and brings it out.
        let mut root = installation.world.desk();
        root.sign_in("root").sends_to("/admin/");
        let own = own_name();
        root.get(&format!("/admin/audit/?by=shell:{own}&kind=user-deleted"))
            .says(200, &format!("{own} in the shell"));
        let found = |desk: &mut Desk, by: &str| {
            desk.get(&format!("/admin/audit/?by={by}&kind=user-deleted"))
                .expect(200)
                .text()
                .matches("<td data-of=\"When\">")
                .count()
        };
        assert_eq!(
            (
                found(&mut root, &format!("shell:{own}")),
                found(&mut root, "shell:mallory"),
                found(&mut root, "root")
            ),
            (1, 0, 0)
        );
        let csv = root.get("/admin/audit.csv?kind=user-deleted").expect(200).text();
        assert!(csv.contains(&format!("\"shell:{own}\"")), "{csv}");
    }
}

#[test]
fn every_act_on_the_site_leaves_one_line_in_the_audit_log_and_one_in_the_log_stream() {
    for installation in Installation::each() {
        let Installation { world, url } = installation;
        let (world, mut root) = furnish(world);
        let installation = Installation { world, url };
        let line = |kind: &str| vec![format!("{kind} 1 - 127.0.0.1")];
        let before = installation.lines().len();
        let user = |root: &mut Desk, name: &str| {
            root.get("/admin/users/add").expect(200);
            let form = [("username", name), ("password1", PASSWORD), ("password2", PASSWORD)];
            let answer = root.post("/admin/users/add", &form);
            let location = answer.expect(303).header("location").unwrap().to_owned();
            location
                .trim_start_matches("/admin/users/")
                .split('/')
                .next()
                .unwrap()
                .parse::<i64>()
                .unwrap()
        };
        let mut alice = 0;
        installation.does("add", &line("user_added"), || alice = user(&mut root, "alice"));
        let id = alice.to_string();
        let sell = [("app", "shop"), ("codename", "sell"), ("name", "Can sell")];
        installation.does("permission", &line("permission_added"), || {
            drop(root.post("/admin/permissions/", &sell).expect(303));
        });
        let sell = permission(&mut root, "shop.sell");
        let mut team = 0;
        installation
            .does("group", &line("group_added"), || team = group(&mut root, "team", &[sell]));
        installation.does("edit", &line("user_changed"), || {
            drop(edit(&mut root, alice, &[("first_name", "Alice")]).expect(303));
        });
        installation.does("grant", &line("user_changed"), || {
            drop(grant(&mut root, alice, &[("groups", &team.to_string())]).expect(303));
        });
        let act = |root: &mut Desk, act: &str| {
            drop(
                root.post("/admin/users/act", &[("act", act), ("ids", &id), ("sure", "yes")])
                    .expect(303),
            );
        };
        installation.does("deactivate", &line("user_deactivated"), || act(&mut root, "deactivate"));
        installation.does("activate", &line("user_activated"), || act(&mut root, "activate"));
        installation.world.logged_in("alice");
        installation.does("end", &line("sessions_ended"), || act(&mut root, "end"));
        let end = |root: &mut Desk, fields: &[(&str, &str)]| {
            drop(root.post("/admin/sessions/end", fields).expect(303));
        };
        installation.does("end of a user", &line("sessions_ended"), || {
            end(&mut root, &[("act", "user"), ("of", &id)]);
        });
        installation
            .does("end of all", &line("sessions_ended"), || end(&mut root, &[("act", "all")]));
        let unusable = format!("/admin/users/{id}/password");
        installation.does("password", &line("password_set"), || {
            drop(root.post(&unusable, &[("act", "unusable")]).expect(303));
        });
        installation.does("rotate", &line("keys_rotated"), || {
            drop(root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303));
        });
        let delete = |root: &mut Desk, what: &str, id: i64| {
            drop(root.post(&format!("/admin/{what}/{id}/delete"), &[]).expect(303));
        };
        installation
            .does("delete the group", &line("group_deleted"), || delete(&mut root, "groups", team));
        installation.does("delete the permission", &line("permission_deleted"), || {
            delete(&mut root, "permissions", sell);
        });
        installation.does("delete", &line("user_deleted"), || act(&mut root, "delete"));
        let done = installation.lines().split_off(before);
        // Refused: a name that is taken, the last superuser, the key that signs.
        installation.does("a name that is taken", &[], || {
            drop(
                root.post("/admin/users/add", &[("username", "ROOT"), ("unusable", "on")])
                    .expect(400),
            );
        });
        installation.does("the last superuser", &[], || {
            drop(root.post("/admin/users/act", &[("act", "deactivate"), ("ids", "1")]).expect(409));
        });
        root.post("/admin/sign-out", &[]).expect(303);
        installation.world.desk().sign_in_with("root", "a-password-that-is-wrong").expect(403);

        // The log stream has the same, in the same order.
        let told = || -> Vec<Value> {
            let lines = installation.world.log();
            let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["message"] == "a line of the audit log").collect()
        };
        eventually("the log stream has the last of it", || {
            told().iter().any(|line| line["kind"] == "admin_login_failed")
        });
        let told = told();
        let of_root = told.iter().filter(|line| {
            line["actor"] == "1" && !line["kind"].as_str().unwrap().starts_with("admin_log")
        });
        let of_root: Vec<String> = of_root
            .map(|line| {
                format!("{} 1 - {}", line["kind"].as_str().unwrap(), line["ip"].as_str().unwrap())
            })
            .collect();
        assert_eq!(of_root, done);
        for kind in ["admin_login", "admin_logout", "admin_login_failed"] {
            assert!(
                told.iter().any(|line| line["kind"] == kind && line["ip"] == "127.0.0.1"),
                "{kind} in {told:?}"
            );
        }
        assert!(told.iter().any(|line| line["kind"] == "user_deleted"
            && line["user"] == id.as_str()
            && line["detail"] == "alice"));
        let log = installation.world.log();
        assert!(!log.contains(PASSWORD) && !log.contains("a-password-that-is-wrong"));
    }
}
