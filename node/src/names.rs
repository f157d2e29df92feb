//! Host names of callers and where peers listen, resolved shortly before that is needed and remembered for a while.

use crate::config::Peer;
use crate::resolve::{ResolveError, Resolver};
use gantry_terms::moment::Moment;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// A name is asked for at most so often, whoever calls. An answer that does not fit is asked for again
/// before its time is over.
const AGAIN: Duration = Duration::from_secs(5);
/// A name server that takes longer has failed: whoever calls waits for it, but not for longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What has been resolved so far. Names come from the configuration only, so that there are few.
#[derive(Default)]
pub struct Names {
    known: Mutex<HashMap<Place, Arc<tokio::sync::Mutex<Name>>>>,
}

/// What has addresses that are to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Host(String),
    /// Where the peer of this AE title listens.
    Own(String),
}

/// What the name servers say of one.
#[derive(Debug, Clone)]
struct Heard {
    addresses: Vec<IpAddr>,
    believed: Duration,
    /// Why this is what they said some time ago.
    fault: Option<ResolveError>,
}

/// Whether an address is one of a name's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Fits,
    Differs,
    /// The name server does not answer, and what it said before does not fit.
    Unresolved,
}

/// What is known of one name.
#[derive(Default)]
struct Name {
    /// The last good answer.
    addresses: Vec<IpAddr>,
    answered: Option<Instant>,
    believed: Duration,
    asked: Option<Instant>,
    failed: bool,
}

impl Names {
    /// Whether `address` is one of those of any of these places of a peer. All are asked for together.
    pub async fn any(
        self: &Arc<Self>,
        places: Vec<Place>,
        peer: &Peer,
        resolver: &Arc<Resolver>,
        address: IpAddr,
    ) -> Answer {
        let (peer, resolver) = (Arc::new(peer.clone()), resolver.clone());
        let by = move |place| resolve(place, peer.clone(), resolver.clone());
        self.any_by(places, address, by).await
    }

    async fn any_by<R, F>(self: &Arc<Self>, names: Vec<Place>, address: IpAddr, by: R) -> Answer
    where
        R: Fn(Place) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Heard, ResolveError>> + Send + 'static,
    {
        let mut missing = names.len();
        let (answers, mut answered) = mpsc::channel(missing.max(1));
        for name in names {
            let (this, answers, by) = (self.clone(), answers.clone(), by.clone());
            // On its own: whoever asked may have gone or heard enough, and the answer is kept all the same.
            tokio::spawn(async move { answers.send(this.is_by(&name, address, by).await).await });
        }
        drop(answers);
        let mut unresolved = false;
        while let Some(one) = answered.recv().await {
            missing -= 1;
            match one {
                // Whoever is still being asked is not waited for.
                Answer::Fits => return Answer::Fits,
                Answer::Differs => {}
                Answer::Unresolved => unresolved = true,
            }
        }
        match unresolved || missing > 0 {
            true => Answer::Unresolved,
            false => Answer::Differs,
        }
    }

    async fn is_by<F: Future<Output = Result<Heard, ResolveError>>>(
        &self,
        name: &Place,
        address: IpAddr,
        resolve: impl FnOnce(Place) -> F,
    ) -> Answer {
        let known = {
            let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(name.clone()).or_default().clone()
        };
        // Whoever comes meanwhile waits for this answer, and does not ask again.
        let mut known = known.lock().await;
        let address = address.to_canonical();
        if known.is_to_be_asked(address, Instant::now()) {
            known.is_asked(Instant::now());
            let answer = timeout(PATIENCE, resolve(name.clone())).await;
            known.answered(name, answer.ok(), Instant::now());
        }
        known.answer(address)
    }
}

impl Name {
    fn is_to_be_asked(&self, address: IpAddr, now: Instant) -> bool {
        let within = |moment: Option<Instant>, span| moment.is_some_and(|at| now - at < span);
        let fits = self.addresses.contains(&address) && within(self.answered, self.believed);
        !fits && !within(self.asked, AGAIN)
    }

    /// Until there is an answer, which whoever asks may not wait for, there is none.
    fn is_asked(&mut self, now: Instant) {
        self.asked = Some(now);
        self.failed = true;
    }

    /// Nothing: no answer in time.
    fn answered(
        &mut self,
        name: &Place,
        answer: Option<Result<Heard, ResolveError>>,
        now: Instant,
    ) {
        self.asked = Some(now);
        self.failed = true;
        let why = match answer {
            Some(Ok(Heard { addresses, believed, fault })) => {
                self.addresses = addresses.iter().map(IpAddr::to_canonical).collect();
                (self.answered, self.believed) = (Some(now), believed);
                self.failed = fault.is_some();
                fault.map(|why| why.to_string())
            }
            Some(Err(why)) => Some(why.to_string()),
            None => Some("no answer in time".into()),
        };
        if let Some(why) = why {
            let (Place::Host(name) | Place::Own(name)) = name;
            tracing::warn!(station = "receive", name, why, "a peer's name is not resolved");
        }
    }

    /// While the name server fails, the last good answer holds for whom it fits, and nobody is
    /// refused for good.
    fn answer(&self, address: IpAddr) -> Answer {
        match self.addresses.contains(&address) {
            true => Answer::Fits,
            false if self.failed => Answer::Unresolved,
            false => Answer::Differs,
        }
    }
}

async fn resolve(
    place: Place,
    peer: Arc<Peer>,
    resolver: Arc<Resolver>,
) -> Result<Heard, ResolveError> {
    match place {
        Place::Host(name) => {
            let (addresses, believed) = resolver.host(&name).await?;
            Ok(Heard { addresses, believed, fault: None })
        }
        Place::Own(_) => {
            let found = resolver.find_anew(&peer).await?;
            let left = found.answered.map(|answered| answered.until.since(Moment::now()));
            let believed = left.unwrap_or_default();
            Ok(Heard { addresses: found.hosts(), believed, fault: found.fault })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Ready, ready};

    const OLD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const NEW: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    const BELIEVED: Duration = Duration::from_secs(60);

    type Said = Result<Heard, ResolveError>;

    fn ct(number: u8) -> Place {
        Place::Host(format!("ct{number}"))
    }

    fn good(addresses: &[IpAddr]) -> Said {
        Ok(Heard { addresses: addresses.to_vec(), believed: BELIEVED, fault: None })
    }

    fn says(addresses: &[IpAddr]) -> impl FnOnce(Place) -> Ready<Said> {
        let said = good(addresses);
        move |_| ready(said)
    }

    fn fails() -> impl FnOnce(Place) -> Ready<Said> {
        |_| ready(Err(ResolveError::NoHost("ct1".into())))
    }

    fn is_not_asked() -> impl FnOnce(Place) -> Ready<Said> {
        |name| panic!("{name:?} was asked for")
    }

    /// Turns the clock on for every name.
    async fn later(names: &Names, span: Duration) {
        let known: Vec<_> = names.known.lock().expect("no panic").values().cloned().collect();
        for name in known {
            let mut name = name.lock().await;
            let back = |moment: Option<Instant>| moment.and_then(|at| at.checked_sub(span));
            (name.answered, name.asked) = (back(name.answered), back(name.asked));
        }
    }

    #[tokio::test]
    async fn an_answer_is_remembered_and_one_that_does_not_fit_is_asked_for_again() {
        let names = Names::default();
        assert_eq!(names.is_by(&ct(1), OLD, says(&[OLD])).await, Answer::Fits);
        assert_eq!(names.is_by(&ct(1), OLD, is_not_asked()).await, Answer::Fits);
        // A stranger who hammers at the door does not make the node hammer at the name server.
        assert_eq!(names.is_by(&ct(1), NEW, is_not_asked()).await, Answer::Differs);
        later(&names, AGAIN).await;
        assert_eq!(names.is_by(&ct(1), OLD, is_not_asked()).await, Answer::Fits);
        assert_eq!(names.is_by(&ct(1), NEW, says(&[NEW])).await, Answer::Fits);
        later(&names, AGAIN).await;
        assert_eq!(names.is_by(&ct(1), OLD, says(&[NEW])).await, Answer::Differs);
        later(&names, BELIEVED).await;
        assert_eq!(names.is_by(&ct(1), NEW, says(&[OLD, NEW])).await, Answer::Fits);
    }

    /// Answers for the second and the fourth scanner only, and that after a while.
    async fn slow(name: Place) -> Said {
        let span = if [ct(2), ct(4)].contains(&name) { 200 } else { 60_000 };
        tokio::time::sleep(Duration::from_millis(span)).await;
        good(&[NEW])
    }

    #[tokio::test]
    async fn nobody_waits_for_several_names_longer_than_for_one() {
        let names = Arc::new(Names::default());
        let all = || [1, 2, 3, 4].map(ct).to_vec();
        let begun = Instant::now();
        assert_eq!(names.any_by(all(), NEW, slow).await, Answer::Fits);
        assert!(begun.elapsed() < PATIENCE, "the first that fits is enough");
        let again = names.any_by(all(), OLD, slow).await;
        assert_eq!(again, Answer::Unresolved, "the others have not answered yet");
        let names = Arc::new(Names::default());
        let begun = Instant::now();
        let answers = tokio::join!(names.any_by(all(), OLD, slow), names.any_by(all(), OLD, slow));
        assert_eq!(answers, (Answer::Unresolved, Answer::Unresolved));
        let waited = begun.elapsed();
        assert!(waited < 3 * PATIENCE, "one after the other it were four times that: {waited:?}");
    }

    /// As one whose name server is a little slow for the first.
    async fn first_is_slow(name: Place) -> Said {
        if name == ct(1) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            return good(&[OLD]);
        }
        good(&[NEW])
    }

    #[tokio::test]
    async fn who_is_let_in_at_once_keeps_no_other_name_from_its_answer() {
        let names = Arc::new(Names::default());
        let both = [1, 2].map(ct).to_vec();
        assert_eq!(names.any_by(both, NEW, first_is_slow).await, Answer::Fits);
        // Whoever comes meanwhile waits for the answer that is on its way.
        assert_eq!(names.is_by(&ct(1), OLD, is_not_asked()).await, Answer::Fits);
    }

    #[tokio::test]
    async fn a_name_server_that_fails_refuses_nobody_for_good() {
        let names = Names::default();
        assert_eq!(names.is_by(&ct(1), OLD, fails()).await, Answer::Unresolved);
        later(&names, AGAIN).await;
        assert_eq!(names.is_by(&ct(1), OLD, says(&[OLD])).await, Answer::Fits);
        later(&names, BELIEVED).await;
        assert_eq!(names.is_by(&ct(1), OLD, fails()).await, Answer::Fits, "the last good answer");
        assert_eq!(names.is_by(&ct(1), NEW, is_not_asked()).await, Answer::Unresolved);
    }
    #[tokio::test]
    async fn what_was_said_some_time_ago_lets_in_whom_it_fits_and_refuses_nobody_for_good() {
        let names = Names::default();
        let old = |_| {
            let fault = Some(ResolveError::NoHost("ct1".into()));
            ready(Ok(Heard { addresses: vec![OLD], believed: Duration::ZERO, fault }))
        };
        assert_eq!(names.is_by(&ct(1), OLD, old).await, Answer::Fits);
        later(&names, AGAIN).await;
        assert_eq!(names.is_by(&ct(1), NEW, old).await, Answer::Unresolved);
    }
}
