//! The task that owns the connection. It drives the [`Call`] with a socket, and opens another
//! socket if that one breaks.

use std::{collections::VecDeque, future::Future, pin::pin};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    backoff::Pauses,
    call::Call,
    command::Command,
    dial::Dialer,
    error::ConnectError,
    event::{Disconnect, Event},
    socket::{Socket, Turn},
};

#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) call: Call,
    pub(crate) dialer: Dialer,
    /// `None` if the client never reconnects.
    pub(crate) pauses: Option<Pauses>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) outlet: Outlet,
}

/// How a connection ended.
enum End {
    Lost(Disconnect),
    Closed(Option<oneshot::Sender<()>>),
}

/// What ended a wait without a connection.
enum Offline<T> {
    Done(T),
    RetryNow,
    Closed(Option<oneshot::Sender<()>>),
}

impl Driver {
    /// Runs until the last handle is dropped or no attempt is left.
    pub(crate) async fn run(mut self, mut socket: Socket) {
        loop {
            let opened = Instant::now();
            let cause = match self.online(&mut socket).await {
                End::Lost(cause) => cause,
                End::Closed(closed) => {
                    socket.close().await;
                    return tell(closed);
                }
            };
            // A server that was given up learns it now, and not only after the next connection.
            drop(socket);
            self.call.lost();
            self.outlet.push_all(&mut self.call);
            self.outlet.push(Event::Disconnected(cause));
            if let Some(pauses) = &mut self.pauses {
                pauses.connection_lasted(opened.elapsed());
            }
            socket = match self.reconnect(cause).await {
                Ok(Ok(socket)) => socket,
                Ok(Err(error)) => return self.stop(error).await,
                Err(closed) => return tell(closed),
            };
            self.outlet.push(Event::Reconnected);
        }
    }

    async fn online(&mut self, socket: &mut Socket) -> End {
        self.call.opened(Instant::now());
        loop {
            while socket.has_room()
                && let Some(envelope) = self.call.pop_outgoing(Instant::now())
            {
                socket.queue(&envelope);
            }
            self.outlet.push_all(&mut self.call);
            if self.call.is_unresponsive() {
                return End::Lost(Disconnect::Unresponsive);
            }
            let reading = self.outlet.is_empty();
            let accepting = socket.has_room() && self.call.has_room();
            // If the socket has no room, it says when it has.
            let send_at = self.call.send_at().filter(|_| socket.has_room());
            let deadlines = [self.call.deadline(), socket.deadline(reading), send_at];
            tokio::select! {
                turn = socket.turn(reading) => match turn {
                    Turn::Received(envelope) => self.call.received(envelope, Instant::now()),
                    Turn::HasRoom => {}
                    Turn::Ended(cause) => return End::Lost(cause),
                },
                command = self.commands.recv(), if accepting => match command {
                    Some(Command::Close { closed }) => return End::Closed(Some(closed)),
                    Some(command) => self.call.command(command, Instant::now()),
                    None => return End::Closed(None),
                },
                () = self.outlet.deliver(), if !reading => {}
                () = until(deadlines.into_iter().flatten().min()) => {
                    let now = Instant::now();
                    self.call.tick(now);
                    if socket.is_dead(now) {
                        return End::Lost(Disconnect::Unresponsive);
                    }
                }
            }
        }
    }

    /// Tries until there is a connection (`Ok(Ok)`), no attempt is left (`Ok(Err)`), or the client
    /// is closed (`Err`).
    async fn reconnect(
        &mut self,
        cause: Disconnect,
    ) -> Result<Result<Socket, ConnectError>, Option<oneshot::Sender<()>>> {
        let (mut at_least, mut last_error, mut renew) = (cause.min_delay(), None, false);
        loop {
            let next = self
                .pauses
                .as_mut()
                .and_then(|pauses| pauses.next(at_least));
            let Some((attempt, after)) = next else {
                return Ok(Err(last_error.unwrap_or(ConnectError::GaveUp)));
            };
            self.outlet.push(Event::Reconnecting {
                attempt,
                after,
                last_error: last_error.take(),
            });
            if let Offline::Closed(closed) = self.meanwhile(sleep(after), true).await {
                return Err(closed);
            }
            let dialer = self.dialer.clone();
            let error = match self.meanwhile(dialer.open(renew), false).await {
                Offline::Done(Ok(socket)) => return Ok(Ok(socket)),
                Offline::Done(Err(error)) => error,
                Offline::RetryNow => continue,
                Offline::Closed(closed) => return Err(closed),
            };
            // One refused token may have expired. If a second in a row is refused, another will not
            // help.
            let expired = matches!(error, ConnectError::Unauthorized) && !renew;
            if !(error.is_retryable() || expired && dialer.can_renew()) {
                return Ok(Err(error));
            }
            renew = expired;
            at_least = std::time::Duration::ZERO;
            last_error = Some(error);
        }
    }

    /// Waits for a future while there is no connection, and serves the application. A pause does
    /// not end before the application has read what happened, so that a client whose events nobody
    /// reads does not reconnect over and over.
    async fn meanwhile<F: Future>(&mut self, wait: F, pause: bool) -> Offline<F::Output> {
        let mut wait = pin!(wait);
        loop {
            self.outlet.push_all(&mut self.call);
            let caught_up = self.outlet.is_empty();
            tokio::select! {
                output = &mut wait, if caught_up || !pause => return Offline::Done(output),
                command = self.commands.recv() => match command {
                    Some(Command::Close { closed }) => return Offline::Closed(Some(closed)),
                    Some(Command::RetryNow) if pause && caught_up => return Offline::RetryNow,
                    Some(command) => self.call.command(command, Instant::now()),
                    None => return Offline::Closed(None),
                },
                () = self.outlet.deliver(), if !caught_up => {}
            }
        }
    }

    /// Fails all commands, present and later ones, and waits until the application has room for the
    /// last event.
    async fn stop(self, error: ConnectError) {
        let Self {
            call,
            commands,
            mut outlet,
            ..
        } = self;
        drop((call, commands));
        outlet.push(Event::Stopped(error));
        while !outlet.is_empty() {
            outlet.deliver().await;
        }
    }
}

fn tell(closed: Option<oneshot::Sender<()>>) {
    if let Some(closed) = closed {
        // An error means that nobody waits for it any more.
        let _ = closed.send(());
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Events on their way to the application. An event that does not fit into its queue waits here.
/// The client reads nothing while one waits. So the events that wait come from one message and from
/// one reconnection at most.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl Outlet {
    pub(crate) const fn new(queue: mpsc::Sender<Event>) -> Self {
        Self {
            queue,
            waiting: VecDeque::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, event: Event) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(event);
        }
        match self.queue.try_send(event) {
            Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
            // The application dropped its end because it wants no events.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn push_all(&mut self, call: &mut Call) {
        while let Some(event) = call.pop_event() {
            self.push(event);
        }
    }

    /// Delivers one event as soon as there is room. Dropping the future loses none.
    async fn deliver(&mut self) {
        match self.queue.reserve().await {
            Ok(room) => {
                if let Some(event) = self.waiting.pop_front() {
                    room.send(event);
                }
            }
            Err(_) => self.waiting.clear(),
        }
    }
}
