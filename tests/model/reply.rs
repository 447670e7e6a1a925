//! What a caller does when something came back: a reply, none in time, or what its body returned.

use crate::call::Turn;
use crate::process::{At, Load, Op, Pipeline, Step};
use crate::redis::{Command, Reply, Stored, Token};
use crate::rules::{Fill, LostLease, Put};

impl Turn<'_> {
    pub fn handle(&mut self, step: Step) {
        let reply = self
            .me()
            .reply
            .take()
            .expect("the server took the whole pipeline");
        match (step, reply) {
            (Step::Look, Reply::Saw(stored)) => self.looked(stored),
            (Step::Lease, Reply::Saw(stored)) => self.leased(stored),
            (Step::Displace, Reply::Did(true)) => self.body(Load::Lead),
            (Step::Displace, _) => self.look(),
            (Step::Watch, Reply::Did(true)) => self.exec(),
            (Step::Watch, _) => self.filled(false),
            (Step::Fill, reply) => self.filled(reply == Reply::Did(true)),
            (Step::TakeOver, _) | (Step::Claim, Reply::Did(true)) => self.body(Load::Behind),
            (Step::FillRefresh, reply) => self.refilled(reply == Reply::Did(true)),
            (Step::Put, _) if self.rules().put == Put::TokenAndFill => {
                let fill = Command::Fill(self.me().token, self.me().wrote);
                self.send(Step::PutFill, Pipeline::of(fill));
            }
            // Also where the fill of a put was refused: somebody has removed its token since then.
            (Step::Remove | Step::Put | Step::PutFill, _) => self.promise(),
            (Step::Claim | Step::Release, _) => self.next(),
            (Step::Look | Step::Lease, Reply::Did(_)) => unreachable!("a read was not answered"),
        }
    }

    fn looked(&mut self, stored: Stored) {
        match stored {
            Stored::Value {
                version,
                stale: false,
            } => self.end(version, true),
            Stored::Value {
                version,
                stale: true,
            } => {
                self.hand_out(version);
                self.land(version, true);
                let token = self.fresh_token();
                self.send(Step::Claim, Pipeline::of(Command::Claim(token)));
            }
            Stored::Nothing | Stored::Token(_) | Stored::Undecodable => self.load(),
        }
    }

    fn leased(&mut self, stored: Stored) {
        let refreshes = self.op() == Op::Refresh;
        match stored {
            Stored::Nothing => self.body(Load::Lead),
            Stored::Token(token) if self.is_ours(token) => {
                self.me().token = token;
                self.body(Load::Lead);
            }
            Stored::Value { .. } | Stored::Token(_) if refreshes => self.take_over(),
            Stored::Value { version, .. } => self.end(version, true),
            Stored::Token(token) => self.me().at = At::Await(token),
            Stored::Undecodable => self.displace(),
        }
    }

    /// Whether to lead with the token that was found. It should be one of a lease of this load, whose
    /// reply was lost.
    fn is_ours(&mut self, token: Token) -> bool {
        let sent_again = self.rules().lost_lease == LostLease::SameTokenAgain;
        let excludes = self.rules().lease_excludes;
        let me = self.me();
        !excludes || me.lost.contains(&token) || sent_again && me.token == token
    }

    fn exec(&mut self) {
        let if_present = self.rules().fill == Fill::WatchAndSetIfPresent;
        let me = self.me();
        let (token, version) = (me.token, me.value);
        let exec = Command::Exec {
            token,
            version,
            if_present,
        };
        self.send(Step::Fill, Pipeline::of(exec));
    }

    fn filled(&mut self, stored: bool) {
        if self.op() == Op::Refresh {
            self.refilled(stored);
        } else {
            let value = self.me().value;
            self.end(value, stored);
        }
    }

    /// A refresh has an answer to its fill. Behind a read nobody waits for it.
    fn refilled(&mut self, stored: bool) {
        if self.op() != Op::Refresh {
            self.next();
        } else if stored || !self.rules().refused_refresh_unlinks {
            self.promise();
        } else {
            self.remove();
        }
    }

    /// No reply came in time. Whether the command ran, or is still to run, is not known.
    pub fn lost(&mut self, step: Step) {
        match step {
            Step::Remove => self.next(),
            _ if self.op() == Op::Refresh && self.rules().refused_refresh_unlinks => self.remove(),
            _ if self.op() == Op::Refresh => self.next(),
            Step::Look => self.stop_waiting(),
            Step::Lease | Step::Displace => self.lost_lease(),
            Step::Watch | Step::Fill => self.filled(false),
            // An error to whoever asked: no promise.
            _ => self.next(),
        }
    }

    fn lost_lease(&mut self) {
        let token = self.me().token;
        match self.rules().lost_lease {
            LostLease::RunAlone => {
                self.me().lost.push(token);
                self.body(Load::Alone);
            }
            LostLease::FillAnyway => self.body(Load::Lead),
            LostLease::SameTokenAgain => self.lease_by(token),
            LostLease::FreshToken => {
                self.me().lost.push(token);
                self.lease();
            }
        }
    }

    /// Loads for itself, after having waited long enough for another's load.
    pub fn stop_waiting(&mut self) {
        self.detach_own();
        self.body(Load::Alone);
    }

    pub fn read_source(&mut self, load: Load) {
        self.me().value = self.state.source;
        self.me().at = At::Loaded(load);
    }

    /// The body returned a value.
    pub fn finish(&mut self, load: Load) {
        let (token, value) = (self.me().token, self.me().value);
        match load {
            Load::Lead if self.rules().fill == Fill::Script => {
                self.send(Step::Fill, Pipeline::of(Command::Fill(token, value)));
            }
            Load::Lead => self.send(Step::Watch, Pipeline::of(Command::Watch(token))),
            Load::Behind => {
                let over_lease = !self.rules().refresh_spares_lease;
                let fill = Command::FillRefresh {
                    token,
                    version: value,
                    over_lease,
                };
                self.send(Step::FillRefresh, Pipeline::of(fill));
            }
            Load::Alone => self.end(value, false),
        }
    }

    /// The body failed. A refresh leaves its token, so that the source is asked less.
    pub fn fail(&mut self, load: Load) {
        match load {
            Load::Lead => {
                self.leave_place();
                let token = self.me().token;
                self.send(Step::Release, Pipeline::of(Command::Release(token)));
            }
            Load::Alone => {
                self.leave_place();
                self.next();
            }
            Load::Behind => self.next(),
        }
    }
}
