//! A terminal to type at: Python's `pty` module.

use std::process::Command;

use countersign_e2e::{Finished, TestServer};

/// Runs a command on a terminal. Each answer is typed when its question is asked; what was seen is
/// printed.
pub(crate) fn on_a_terminal(
    world: &TestServer,
    arguments: &[&str],
    environment: &[(&str, &str)],
    answers: &[(&str, &str)],
) -> Finished {
    let script = r#"
import json, os, pty, sys, select
answers = [
    (question.encode(), answer.encode() + b"\n") for question, answer in json.loads(sys.argv[1])
]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
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
    python(world, script, &serde_json::json!(answers).to_string(), arguments, environment)
}

/// Types Ctrl-C at this question, once the command reads: its exit status, and whether the terminal
/// shows again
/// what is typed.
pub(crate) fn interrupt_at(world: &TestServer, arguments: &[&str], question: &str) -> (i32, bool) {
    let script = r#"
import os, pty, sys, select, termios, time
# The terminal outlives the command, as it does in a shell.
ours, theirs = pty.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    import fcntl
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2): os.dup2(theirs, fd)
    os.execv(sys.argv[2], sys.argv[2:])
seen = b""
while sys.argv[1].encode() not in seen:
    if not select.select([ours], [], [], 30)[0]: sys.exit("no question: " + repr(seen))
    seen += os.read(ours, 4096)
assert not termios.tcgetattr(ours)[3] & termios.ECHO, "a password is not shown"
# The command takes each letter by itself once it reads, and Ctrl-C as one of them.
for _ in range(200):
    if not termios.tcgetattr(ours)[3] & termios.ICANON: break
    time.sleep(0.01)
os.write(ours, b"\x03")
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, bool(termios.tcgetattr(theirs)[3] & termios.ECHO))
"#;
    let said = python(world, script, question, arguments, &[]).ok();
    let (status, echoes) = said.trim().split_once(' ').expect("two words");
    (status.parse().expect("a status"), echoes == "True")
}

fn python(
    world: &TestServer,
    script: &str,
    first: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Finished {
    let template = world.command(arguments);
    let mut terminal = Command::new("python3");
    terminal
        .args(["-c", script, first])
        .arg(template.get_program())
        .args(template.get_args())
        .current_dir(world.scratch());
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => terminal.env(name, value),
            None => terminal.env_remove(name),
        };
    }
    terminal.env_remove("LOGNAME").env_remove("USER").envs(environment.iter().copied());
    Finished(terminal.output().expect("python3"))
}
