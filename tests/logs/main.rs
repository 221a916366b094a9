//! What the log says, and what it never says.

mod lines;
mod secrets;
mod unwritable;

use countersign_e2e::TestServer;

/// Everything that the server has logged, once it has stopped.
pub(crate) fn whole_log(world: &mut TestServer) -> String {
    assert_eq!(world.stop(), Some(0));
    world.log()
}
