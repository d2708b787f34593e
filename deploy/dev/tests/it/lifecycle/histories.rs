//! Messages in any order, and any number of times, lead to the same end.
//!
//! `TEST_SEED=… TEST_HISTORIES=1` plays one history again; a failure prints its seed.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::join_all};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use shared::{
    config::{Env, StripeSettings},
    message::Envelope,
    stripe::{client::StripeClient, id::Mode},
};
use stripe_sim::{StripeSim, Verdict};
use testkit::start_stripe;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    happened::Happened,
    quiet_shop,
    story::{Dispute, End, Story, Style},
};
use crate::{
    books,
    shop::Shop,
    stack::{Stack, on_each_stack, scale},
};

on_each_stack![
    random_histories_end_like_their_story,
    every_permutation_ends_like_its_story,
];

/// Histories played at once, each with a Stripe of its own.
const AT_ONCE: usize = 4;
/// Histories for each stand-in, which keeps all its objects.
pub const PER_STRIPE: usize = 100;
const LONGEST: usize = 12;

/// A Stripe apart from the shop's, and a worker that asks it. Dropping this stops both.
pub struct OwnStripe {
    pub stripe: StripeSim,
    pub worker: worker::Context,
    _shutdown: DropGuard,
}

pub async fn own_stripe(shop: &Shop) -> OwnStripe {
    let shutdown = CancellationToken::new();
    let stripe = start_stripe(shutdown.clone()).await.unwrap();
    stripe.set_faults(shop.stripe.faults());
    let settings = StripeSettings {
        secret_key: "sk_test_of_the_tests".into(),
        mode: Mode::Test,
        api_base: Some(stripe.base_url().to_owned()),
    };
    let worker = worker::Context {
        stripe: StripeClient::new(&settings).unwrap(),
        ..shop.worker_context()
    };
    OwnStripe {
        stripe,
        worker,
        _shutdown: shutdown.drop_guard(),
    }
}

pub fn seed() -> u64 {
    let random = rand::random::<u32>().into();
    Env::from_process()
        .parse_or("TEST_SEED", random, "a number")
        .unwrap()
}

/// Runs `history`; a failure says how to play it again.
pub async fn replayable(seed: u64, history: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(history).catch_unwind().await {
        let what = panic.downcast_ref::<String>();
        panic!("TEST_SEED={seed} TEST_HISTORIES=1 plays it again: {what:?}");
    }
}

/// All events at least once, with repeats and confirm jobs among them, in any order.
fn shuffled(happened: &Happened, shop: &Shop, random: &mut StdRng) -> Vec<Envelope> {
    let mut told = happened.messages(shop);
    let known = told.clone();
    // Without an event, only a confirm job can lead to the state.
    if told.is_empty() {
        told.push(happened.confirm_job());
    }
    while told.len() < LONGEST && random.random_bool(0.6) {
        let again = known.get(random.random_range(0..=known.len()));
        told.push(again.cloned().unwrap_or_else(|| happened.confirm_job()));
    }
    told.shuffle(random);
    told
}

async fn random_histories_end_like_their_story(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let (first, count) = (seed(), u64::from(scale("TEST_HISTORIES", 600)));
    let play = async |seeds: Vec<u64>| {
        for seeds in seeds.chunks(PER_STRIPE) {
            let own = own_stripe(&shop).await;
            for seed in seeds {
                replayable(*seed, play_one(&shop, &own, *seed)).await;
            }
        }
    };
    let seeds: Vec<u64> = (first..first + count).collect();
    let share = seeds.len().div_ceil(AT_ONCE);
    join_all(seeds.chunks(share).map(|seeds| play(seeds.to_vec()))).await;
    // Each history has compared its money with its own Stripe; the seats are the shop's.
    books::assert_seats(&shop.stack.db).await;
}

async fn play_one(shop: &Shop, own: &OwnStripe, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let story = Story::random(&mut random);
    let happened = story.happen(shop, &own.stripe).await;
    let told = shuffled(&happened, shop, &mut random);

    happened.tell(&own.worker, &told).await;

    let kinds: Vec<_> = told.iter().map(|it| &it.message_id).collect();
    assert_eq!(
        happened.truth(shop).await,
        story.expected(),
        "{story:?} {kinds:?}"
    );
}

/// Stories of at most six messages, in each of their up to 720 orders; those of six only in
/// `deploy/test --long`, because they keep a small machine busy for minutes.
async fn every_permutation_ends_like_its_story(stack: Stack) {
    let shop = quiet_shop(stack).await;
    let disputed = |story: Story, inquiry, verdict| Story {
        dispute: Some(Dispute {
            inquiry,
            verdict,
            overturned: false,
            amount: 4900,
        }),
        ..story
    };
    let thin = |story: Story| Story {
        style: Style::Thin,
        ..story
    };
    let stories = [
        Story::of(End::Expired),
        Story::of(End::DelayedPaid),
        Story::of(End::DelayedFailed),
        Story::paid(&[(4900, false)]),
        Story::paid(&[(4900, true)]),
        Story::paid(&[(1000, false), (3900, false)]),
        disputed(Story::of(End::Paid), false, Some(Verdict::Won)),
        disputed(Story::of(End::DelayedPaid), true, Some(Verdict::Lost)),
        thin(Story::of(End::DelayedPaid)),
        thin(Story::paid(&[(4900, false)])),
        Story {
            released: true,
            ..Story::paid(&[(4900, false)])
        },
        Story {
            held: 5000,
            ..Story::paid(&[(4900, false)])
        },
    ];
    let longest = usize::try_from(scale("TEST_PERMUTED", 5)).unwrap();
    let play = async |story: &Story| {
        let mut own = own_stripe(&shop).await;
        let length = story.happen(&shop, &own.stripe).await.events.len() + 1;
        assert!(length <= 6, "{story:?} has {length}");
        if length > longest {
            return;
        }
        for (index, order) in permutations(length).into_iter().enumerate() {
            if index % PER_STRIPE == PER_STRIPE - 1 {
                own = own_stripe(&shop).await;
            }
            let happened = story.happen(&shop, &own.stripe).await;
            let mut messages = happened.messages(&shop);
            messages.push(happened.confirm_job());
            let told: Vec<_> = order.iter().map(|at| messages[*at].clone()).collect();

            happened.tell(&own.worker, &told).await;

            assert_eq!(
                happened.truth(&shop).await,
                story.expected(),
                "{story:?} {order:?}"
            );
        }
    };
    join_all(stories.iter().map(play)).await;
    // The seats are the shop's, as above.
    books::assert_seats(&shop.stack.db).await;
}

fn permutations(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last);
    shorter
        .into_iter()
        .flat_map(|order| {
            (0..=order.len()).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, last);
                longer
            })
        })
        .collect()
}
