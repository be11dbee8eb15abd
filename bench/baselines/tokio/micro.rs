// The operations of bench/micro_*.c on tokio's current_thread runtime, measured as
// bench/lib/measure.c does. Arguments: [--quick] [NAME...], as there.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Mutex};

const REPEATS: usize = 41;
const RUN: Duration = Duration::from_millis(2);
const LIMIT: Duration = Duration::from_secs(2);
const PENDING: usize = 10000;

struct Wanted {
    quick: bool,
    names: Vec<String>,
}

fn read_arguments() -> Wanted {
    let (options, names): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with('-'));
    Wanted {
        quick: options.iter().any(|word| word == "--quick"),
        names,
    }
}

// The best of some runs, each as long as RUN.
async fn measure<F, R>(name: &str, wanted: &Wanted, body: F)
where
    F: Fn(u32) -> R,
    R: Future<Output = ()>,
{
    if !wanted.names.is_empty() && !wanted.names.iter().any(|word| name.starts_with(word)) {
        return;
    }
    let quick = wanted.quick;
    let begin = Instant::now();
    let mut loops = 1000u32;
    let mut best = f64::MAX;
    let mut runs = 0;
    while runs < REPEATS && (runs == 0 || begin.elapsed() < LIMIT) {
        let start = Instant::now();
        body(loops).await;
        let took = start.elapsed();
        if took < RUN && runs == 0 && !quick {
            loops *= 1 + (2_400_000 / (took.as_nanos() + 1)).min(9) as u32;
            continue;
        }
        best = best.min(took.as_nanos() as f64 / loops as f64);
        runs += if quick { REPEATS } else { 1 };
    }
    println!("{{\"name\": \"{}\", \"ns\": {:.2}}}", name, best);
}

async fn yield_often(count: u32) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

async fn yield_two(loops: u32) {
    let other = tokio::spawn(yield_often(loops / 2));
    tokio::spawn(yield_often(loops / 2)).await.unwrap();
    other.await.unwrap();
}

async fn spawn_join(loops: u32) {
    for _ in 0..loops {
        tokio::spawn(async {}).await.unwrap();
    }
}

async fn send_numbers(sender: mpsc::Sender<u64>, count: u32) {
    for number in 0..count {
        sender.send(number.into()).await.unwrap();
    }
}

// There is no rendezvous; a capacity of 1 is the nearest.
async fn channel(loops: u32, capacity: usize) {
    let (sender, mut receiver) = mpsc::channel(capacity);
    tokio::spawn(send_numbers(sender, loops));
    while receiver.recv().await.is_some() {}
}

async fn mutex(loops: u32) {
    let mutex = Mutex::new(0u64);
    for _ in 0..loops {
        *mutex.lock().await += 1;
    }
}

struct PollOnce<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for PollOnce<'_, F> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _ = self.0.as_mut().poll(context);
        Poll::Ready(())
    }
}

// Polled once, a sleep is armed; dropped, it is taken back.
async fn arm_and_disarm(loops: u32) {
    for _ in 0..loops {
        let late = tokio::time::sleep(Duration::from_secs(60));
        tokio::pin!(late);
        PollOnce(late).await;
    }
}

async fn run(wanted: Wanted) {
    measure("tokio_yield", &wanted, yield_two).await;
    measure("tokio_spawn_join", &wanted, spawn_join).await;
    measure("tokio_channel_1", &wanted, |loops| channel(loops, 1)).await;
    measure("tokio_channel_64", &wanted, |loops| channel(loops, 64)).await;
    measure("tokio_mutex", &wanted, mutex).await;
    for _ in 0..PENDING {
        tokio::spawn(tokio::time::sleep(Duration::from_secs(3600)));
    }
    tokio::task::yield_now().await;
    measure("tokio_timer", &wanted, arm_and_disarm).await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // In a task: what block_on is given costs a turn of the loop each time it wakes.
    runtime.block_on(async move { tokio::spawn(run(read_arguments())).await.unwrap() });
}
