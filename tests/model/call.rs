//! What a caller sends, and how its operations begin and end.

use crate::process::{At, Caller, Load, Op, Pipeline, State, Step};
use crate::redis::{Command, Token, Version};
use crate::rules::{Displace, Put, RefreshKey, RefreshKeyOf, Rules};
use crate::world::World;

/// One caller, while it is the one who acts.
pub struct Turn<'a> {
    pub world: &'a World,
    pub state: &'a mut State,
    pub who: usize,
}

impl Turn<'_> {
    pub fn rules(&self) -> &Rules {
        &self.world.rules
    }

    pub fn me(&mut self) -> &mut Caller {
        &mut self.state.callers[self.who]
    }

    pub fn of(&mut self, who: usize) -> Turn<'_> {
        Turn {
            world: self.world,
            state: self.state,
            who,
        }
    }

    pub fn op(&mut self) -> Op {
        self.world.op(self.who, self.me().op)
    }

    pub fn begin(&mut self) {
        let op = self.op();
        if self.me().at == At::Start {
            self.me().floor = self.state.floor;
            if op != Op::Read {
                self.state.source += 1;
                let source = self.state.source;
                self.me().wrote = source;
            }
        }
        if matches!(op, Op::Invalidate | Op::Put | Op::Refresh) {
            self.set_flight(None);
        }
        match op {
            Op::Read => self.read(),
            Op::Invalidate => self.remove(),
            Op::DeleteByHand => self.send(Step::Remove, Pipeline::of(Command::Unlink)),
            Op::Put => self.put(),
            Op::Refresh if self.rules().refresh_may_lead => self.lease(),
            Op::Refresh => self.take_over(),
        }
    }

    pub fn send(&mut self, step: Step, pipeline: Pipeline) {
        let me = self.me();
        me.at = At::Sent(step);
        me.pipeline = pipeline;
        me.reply = None;
        me.stamp += 1;
    }

    pub fn fresh_token(&mut self) -> Token {
        let who = self.who;
        let me = self.me();
        me.drawn += 1;
        me.token = (who, me.drawn);
        me.token
    }

    pub fn with_refresh_key(&self, order: RefreshKey, command: Command) -> Pipeline {
        let concerned = match self.rules().refresh_key_of {
            RefreshKeyOf::StaleFunctions => self.world.stale,
            // Where nobody refreshes there is no refresh key, and no difference.
            RefreshKeyOf::EveryFunction => self.world.refreshes(),
        };
        match order {
            _ if !concerned => Pipeline::of(command),
            RefreshKey::Spared => Pipeline::of(command),
            RefreshKey::UnlinkedFirst => Pipeline::pair(Command::UnlinkRefresh, command),
            RefreshKey::UnlinkedLast => Pipeline::pair(command, Command::UnlinkRefresh),
            RefreshKey::UnlinkedTogether => Pipeline::of(Command::UnlinkBoth),
        }
    }

    pub fn look(&mut self) {
        let pipeline = if self.world.stale {
            Pipeline::pair(Command::Get, Command::Pttl)
        } else {
            Pipeline::of(Command::Get)
        };
        self.send(Step::Look, pipeline);
    }

    pub fn lease(&mut self) {
        let token = self.fresh_token();
        self.lease_by(token);
    }

    pub fn lease_by(&mut self, token: Token) {
        let pipeline = self.with_refresh_key(self.rules().lease, Command::Lease(token));
        self.send(Step::Lease, pipeline);
    }

    pub fn displace(&mut self) {
        let token = self.fresh_token();
        let compares = self.rules().displace == Displace::SameBytes;
        let command = Command::Displace { token, compares };
        self.send(
            Step::Displace,
            self.with_refresh_key(self.rules().displace_order, command),
        );
    }

    pub fn remove(&mut self) {
        let pipeline = self.with_refresh_key(self.rules().invalidate, Command::Unlink);
        self.send(Step::Remove, pipeline);
    }

    pub fn put(&mut self) {
        let command = match self.rules().put {
            Put::PlainSet => Command::SetValue(self.me().wrote),
            Put::TokenAndFill => Command::SetToken(self.fresh_token()),
        };
        self.send(
            Step::Put,
            self.with_refresh_key(self.rules().put_order, command),
        );
    }

    pub fn take_over(&mut self) {
        let token = self.fresh_token();
        self.send(Step::TakeOver, Pipeline::of(Command::TakeOver(token)));
    }

    pub fn body(&mut self, load: Load) {
        let me = self.me();
        me.at = At::Body(load);
        me.stamp += 1;
        me.body_stamp = me.stamp;
    }

    pub fn hand_out(&mut self, value: Version) {
        self.state.stale_read |= value < self.me().floor;
    }

    pub fn answer(&mut self, value: Version) {
        self.hand_out(value);
        self.next();
    }

    pub fn next(&mut self) {
        let (op, drawn) = (self.me().op + 1, self.me().drawn);
        let at = if op < self.world.ops(self.who) {
            At::Start
        } else {
            At::Done
        };
        *self.me() = Caller::new(at, op, drawn);
    }

    /// The operation returns OK: from now on nobody is handed anything older.
    pub fn promise(&mut self) {
        if self.rules().detach_again && self.op() != Op::DeleteByHand {
            self.set_flight(None);
        }
        self.state.floor = self.state.floor.max(self.me().wrote);
        self.next();
    }
}
