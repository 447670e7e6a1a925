//! The flight as its members see it: who follows whom, and who may take what it brings.

use crate::call::Turn;
use crate::process::{At, Stamp};
use crate::redis::Version;
use crate::rules::{FlightBegins, Followers};

impl Turn<'_> {
    pub fn flight(&self) -> Option<usize> {
        self.state.board[self.world.process(self.who)]
    }

    pub fn set_flight(&mut self, leader: Option<usize>) {
        self.state.board[self.world.process(self.who)] = leader;
    }

    pub fn read(&mut self) {
        match self.flight() {
            Some(leader) if leader != self.who => self.follow(leader),
            _ => {
                if self.rules().flight_begins == FlightBegins::WithTheRead {
                    self.set_flight(Some(self.who));
                }
                self.look();
            }
        }
    }

    pub fn load(&mut self) {
        match self.flight() {
            Some(leader) if leader != self.who => {
                // One whose flight was taken off the board still leads those who follow it.
                if self.followers().is_empty() {
                    self.follow(leader);
                } else {
                    self.lease();
                }
            }
            _ => {
                self.set_flight(Some(self.who));
                self.lease();
            }
        }
    }

    pub fn follow(&mut self, leader: usize) {
        self.me().joined = self.state.callers[leader].stamp;
        self.me().at = At::Follow(leader);
    }

    pub fn followers(&self) -> Vec<usize> {
        let callers = self.state.callers.iter().enumerate();
        callers
            .filter(|(_, caller)| caller.at == At::Follow(self.who))
            .map(|(who, _)| who)
            .collect()
    }

    pub fn detach_own(&mut self) {
        if self.flight() == Some(self.who) {
            self.set_flight(None);
        }
    }

    /// After which stamp the value was surely current. `confirmed`: what was sent last succeeded.
    pub fn proof(&mut self, confirmed: bool) -> Stamp {
        match self.rules().followers {
            Followers::All => Stamp::MAX,
            Followers::IfFilled => {
                if confirmed {
                    Stamp::MAX
                } else {
                    0
                }
            }
            Followers::ByStamp if confirmed => self.me().stamp,
            Followers::ByStamp => self.me().body_stamp,
        }
    }

    pub fn land(&mut self, value: Version, confirmed: bool) {
        let proof = self.proof(confirmed);
        self.detach_own();
        for follower in self.followers() {
            if self.state.callers[follower].joined < proof {
                self.of(follower).answer(value);
            } else {
                self.state.callers[follower].at = At::LookAgain;
            }
        }
    }

    pub fn end(&mut self, value: Version, confirmed: bool) {
        self.land(value, confirmed);
        self.answer(value);
    }

    /// The load failed: the first follower leads, on the same flight.
    pub fn leave_place(&mut self) {
        let followers = self.followers();
        let Some(&heir) = followers.first() else {
            return self.detach_own();
        };
        if self.flight() == Some(self.who) {
            self.set_flight(Some(heir));
        }
        for &follower in &followers {
            self.state.callers[follower].at = At::Follow(heir);
        }
        let (stamp, lost) = (self.me().stamp, self.me().lost.clone());
        let mut heir = self.of(heir);
        heir.me().stamp = stamp;
        heir.me().lost = lost;
        heir.lease();
    }
}
