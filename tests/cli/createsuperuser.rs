use countersign_e2e::{Finished, PASSWORD, World};
use serde_json::Value;

#[test]
fn a_superuser_is_made_without_questions_and_can_log_in() {
    let world = World::start();
    let mut command = world.command(&["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"]);
    Finished(command.env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD).output().unwrap()).ok();
    let shown: Value = serde_json::from_str(&world.cli(&["user", "show", "root", "--json"]).ok()).unwrap();
    assert_eq!((&shown["is_staff"], &shown["is_superuser"]), (&Value::Bool(true), &Value::Bool(true)));
    let user = world.browser().login("root").expect(200).json()["user"].clone();
    assert_eq!(user["is_superuser"], true);
}

#[test]
fn without_a_terminal_or_with_a_weak_password_nobody_is_made() {
    let world = World::builder().asleep();
    assert!(world.cli(&["createsuperuser", "--username", "root"]).fails(1).contains("--noinput"));
    assert!(world.cli(&["createsuperuser", "--noinput", "--username", "root"]).fails(1).contains("COUNTERSIGN_SUPERUSER_PASSWORD"));
    let mut weak = world.command(&["createsuperuser", "--noinput", "--username", "root"]);
    Finished(weak.env("COUNTERSIGN_SUPERUSER_PASSWORD", "12345678").output().unwrap()).fails(1);
    assert!(!world.data_dir().exists(), "nothing was made");
}

#[test]
fn on_a_terminal_what_is_missing_is_asked_for_and_the_password_twice_and_unseen() {
    let world = World::builder().asleep();
    // Python's pty module is the terminal; the answers come one by one, as each question is asked.
    let script = r#"
import os, pty, sys, select
answers = [(b"User name", b"root\n"), (b"E-mail", b"\n"), (b"Password: ", b"short\n"), (b"again", b"short\n"),
           (b"Password: ", sys.argv[2].encode() + b"\n"), (b"again", b"different\n"),
           (b"Password: ", sys.argv[2].encode() + b"\n"), (b"again", sys.argv[2].encode() + b"\n")]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "createsuperuser"])
seen, all = b"", b""
while True:
    if not select.select([terminal], [], [], 30)[0]: sys.exit("no question: " + repr(all))
    try: chunk = os.read(terminal, 4096)
    except OSError: break
    if not chunk: break
    seen += chunk; all += chunk
    if answers and answers[0][0] in seen:
        seen = b""
        os.write(terminal, answers.pop(0)[1])
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(all.decode())
sys.exit(status or (1 if answers else 0))
"#;
    let template = world.command(&["createsuperuser"]);
    let mut terminal = std::process::Command::new("python3");
    terminal.args(["-c", script]).arg(template.get_program()).arg(PASSWORD).current_dir(world.scratch());
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    let seen = Finished(terminal.output().unwrap()).ok();
    assert!(seen.contains("differ") && seen.contains("Made the superuser root"), "{seen}");
    assert!(!seen.contains(PASSWORD), "the password was shown: {seen}");
}
