//! Decides and drives: which series are complete, what the rules say of them, and the jobs that follow.

pub mod ahead;
pub mod arrive;
pub mod backtest;
pub mod complete;
pub mod compose;
pub mod decide;
pub mod drive;
pub mod facts;
mod failing;
pub mod in_force;
pub mod infer;
pub mod job_error;
pub mod overlap;
mod reading;
pub mod reproduce;
pub mod retell;
mod room;
pub mod rules;
pub mod shadow;
pub mod uses;
pub mod versions;
pub mod wait;
