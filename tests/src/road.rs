//! The way between a node and its database, which may be long, and may be lost.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A port of 127.0.0.1 that leads to the socket of a [`Cluster`](crate::Cluster), as to a machine
/// that is far away.
#[derive(Debug)]
pub struct Road {
    port: u16,
    state: Arc<State>,
    listener: TcpListener,
}

#[derive(Debug, Default)]
struct State {
    /// Microseconds each way.
    delay: AtomicU64,
    is_lost: AtomicBool,
    is_over: AtomicBool,
    /// What stands in the queue of a machine that is lost.
    standing: Mutex<Vec<TcpStream>>,
}

impl Road {
    /// A road to a socket.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn to(socket: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = Arc::new(State::default());
        let (shared, socket) = (Arc::clone(&state), socket.to_owned());
        let incoming = listener.try_clone().expect("a descriptor");
        thread::spawn(move || {
            for near in incoming.incoming().map_while(Result::ok) {
                // A machine that is lost accepts nobody, and closes nothing.
                while shared.is_lost.load(Ordering::Relaxed)
                    && !shared.is_over.load(Ordering::Relaxed)
                {
                    thread::sleep(Duration::from_millis(50));
                }
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (shared, socket) = (Arc::clone(&shared), socket.clone());
                thread::spawn(move || shared.carry(near, socket));
            }
        });
        Self { port, state, listener }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on there and back takes so long.
    pub fn takes(&self, there_and_back: Duration) {
        let micros = u64::try_from(there_and_back.as_micros() / 2).unwrap_or(u64::MAX);
        self.state.delay.store(micros, Ordering::Relaxed);
    }

    /// The machine at its end is lost: nothing comes back any more, no refusal either. Connections
    /// that there are fall silent, and a new one does not come about: nothing answers its SYN.
    ///
    /// # Panics
    /// When a connection still comes about.
    pub fn lose(&self) {
        self.state.is_lost.store(true, Ordering::Relaxed);
        // A full queue: the kernel drops what asks to stand in it.
        SockRef::from(&self.listener).listen(0).expect("it listens");
        for _ in 0..MOST_THAT_FIT {
            match TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, self.port).into(), IN_NO_TIME) {
                Ok(stands) => self.state.standing.lock().expect("no panic").push(stands),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return,
                Err(error) => panic!("a lost machine says nothing: {error}"),
            }
        }
        panic!("connections to a lost machine still come about");
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        // So that the listener looks.
        let _ = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, self.port).into(), IN_NO_TIME);
    }
}

impl State {
    fn carry(self: Arc<Self>, near: TcpStream, socket: PathBuf) {
        let carried = (|| {
            near.set_nodelay(true)?;
            let far = UnixStream::connect(socket)?;
            let (near_in, far_in) = (near.try_clone()?, far.try_clone()?);
            let back = thread::spawn({
                let (state, near) = (Arc::clone(&self), near.try_clone()?);
                move || state.one_way(far_in, &near, &near, |near| near.shutdown(Shutdown::Write))
            });
            self.one_way(near_in, &far, &far, |far| far.shutdown(Shutdown::Write));
            let _ = back.join();
            io::Result::Ok(())
        })();
        // A machine that is lost closes nothing.
        while carried.is_ok()
            && self.is_lost.load(Ordering::Relaxed)
            && !self.is_over.load(Ordering::Relaxed)
        {
            thread::sleep(Duration::from_millis(50));
        }
        drop(near);
    }

    /// Carries what comes, each piece after the delay, as many on the way as there are.
    fn one_way<W>(
        &self,
        mut from: impl Read,
        mut to: impl Write + Send,
        end: &W,
        close: impl Fn(&W) -> io::Result<()>,
    ) {
        let (pieces, arriving) = mpsc::channel::<(Instant, Vec<u8>)>();
        thread::scope(|scope| {
            scope.spawn(move || {
                for (due, piece) in arriving {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    if !self.is_lost.load(Ordering::Relaxed) && to.write_all(&piece).is_err() {
                        return;
                    }
                }
            });
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                let due =
                    Instant::now() + Duration::from_micros(self.delay.load(Ordering::Relaxed));
                if pieces.send((due, buffer[..length].to_vec())).is_err() {
                    break;
                }
            }
            drop(pieces);
        });
        if !self.is_lost.load(Ordering::Relaxed) {
            let _ = close(end);
        }
    }
}

/// On one machine a connection that comes about does so at once.
const IN_NO_TIME: Duration = Duration::from_millis(300);

/// Connections that may be on their way when the queue shrinks.
const MOST_THAT_FIT: usize = 100;
