//! What all clients share. They run on one thread, so cells are enough.

use std::cell::{Cell, RefCell};

use tokio::time::Instant;
use united_voice_scenarios::{Server, User};

use super::{ledger::Ledger, settings::Settings, tally::Tally, view::View};

/// After so many violations the soak ends: more of them tell nothing new.
const MAX_VIOLATIONS: usize = 20;

/// All that the clients share.
#[derive(Debug)]
pub(super) struct World {
    /// The server.
    pub(super) server: Server,
    /// What is played.
    pub(super) settings: Settings,
    /// The ids of the channels.
    pub(super) channels: Vec<String>,
    /// The users, one for each client.
    pub(super) users: Vec<User>,
    /// The relayed messages.
    pub(super) ledger: RefCell<Ledger>,
    /// What happened.
    pub(super) tally: Tally,
    /// When the clients began.
    pub(super) start: Instant,
    /// The view of each client; `None` if it is in no channel.
    views: Vec<RefCell<Option<View>>>,
    frozen: RefCell<Option<String>>,
    ending: Cell<bool>,
    violations: RefCell<Vec<String>>,
}

impl World {
    /// A world in which nothing has happened.
    pub(super) fn new(
        server: Server,
        settings: Settings,
        channels: Vec<String>,
        users: Vec<User>,
    ) -> Self {
        Self {
            views: users.iter().map(|_| RefCell::default()).collect(),
            server,
            settings,
            channels,
            users,
            ledger: RefCell::default(),
            tally: Tally::default(),
            start: Instant::now(),
            frozen: RefCell::default(),
            ending: Cell::default(),
            violations: RefCell::default(),
        }
    }

    /// The place of a client's view.
    pub(super) fn view(&self, client: usize) -> &RefCell<Option<View>> {
        &self.views[client]
    }

    /// Copies of the views of all who are in the channel.
    pub(super) fn views_of(&self, channel: &str) -> Vec<View> {
        let views = self.views.iter();
        let here = views.filter_map(|view| {
            let view = view.borrow();
            view.as_ref().filter(|it| it.channel == channel).cloned()
        });
        here.collect()
    }

    /// Ends a client's stay, if it is in a channel. What that means for messages on their way is
    /// said at [`Ledger::ended`].
    pub(super) fn end_stay(&self, client: usize, unread: bool) {
        if let Some(view) = self.view(client).take() {
            let now = Instant::now();
            self.ledger.borrow_mut().ended(&view.session, unread, now);
        }
    }

    /// Whether members and states of this channel may change. They may not while it is compared
    /// with the server.
    pub(super) fn may_change(&self, channel: &str) -> bool {
        self.frozen.borrow().as_deref() != Some(channel)
    }

    /// Stops all changes of a channel, or of none.
    pub(super) fn freeze(&self, channel: Option<&str>) {
        *self.frozen.borrow_mut() = channel.map(str::to_owned);
    }

    /// Tells the clients to act no more. They go on reading.
    pub(super) fn end(&self) {
        self.ending.set(true);
    }

    /// Whether the clients act no more.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Notes what must not happen.
    pub(super) fn violation(&self, what: impl Into<String>) {
        let mut violations = self.violations.borrow_mut();
        if violations.len() < MAX_VIOLATIONS {
            let seconds = self.start.elapsed().as_secs_f64();
            violations.push(format!("after {seconds:.1} s: {}", what.into()));
        }
    }

    /// Notes the error, if it is one.
    pub(super) fn check(&self, client: usize, result: anyhow::Result<()>) {
        if let Err(error) = result {
            let user = &self.users[client];
            self.violation(format!("{} ({}): {error:#}", user.name, user.id));
        }
    }

    /// Whether enough went wrong to end the soak.
    pub(super) fn is_broken(&self) -> bool {
        self.violations.borrow().len() >= MAX_VIOLATIONS
    }

    /// All that must not have happened.
    pub(super) fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }
}
