/*
 * Many runtimes: one after another, side by side, of different kinds.
 */
#define SUITE "runtime_many"
#include "tests/behaviour/cores_tools.h"

static atomic_int ran;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* One life: made, started, posted to, stopped in one of several ways, gone. */
static void live_once(uint32_t cores, int round)
{
    struct aio_runtime *runtime = cores_start(cores, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    ran = 0;
    for (uint32_t core = 0; core < cores; core++)
        AIO_CHECK_OK(aio_runtime_post(runtime, core, count, NULL));
    if (round % 3 != 0)
        AIO_CHECK_OK(aio_runtime_stop(runtime, round % 3 == 1 ? 0 : AIO_SEC(60)));
    if (round % 2 == 0)
        AIO_CHECK(round % 3 == 0 || aio_runtime_wait(runtime, NULL) == 0);
    aio_runtime_destroy(runtime);
    AIO_CHECK_EQ(ran, cores);
}

/* Nothing adds up: the harness looks for descriptors, threads and memory in the end. */
BEHAVIOUR_OUTSIDE(one_after_another)
{
    int rounds = 60 / (int)test_slowness();
    live_once(3, 0);
    int fds = process_fds();
    for (int round = 0; round < rounds; round++) {
        live_once(1 + (uint32_t)round % 3, round);
        REQUIRE(process_fds() == fds);
    }
}

/* Threads that make runtimes of their own, all at the same time. */
static void *live_often(void *arg)
{
    atomic_int *lives = arg;
    for (int round = 0; round < 10; round++) {
        struct aio_runtime *runtime = cores_start(2, cores_serve, NULL);
        if (runtime == NULL)
            return NULL;
        AIO_CHECK_OK(aio_runtime_post(runtime, 1, count, NULL));
        aio_runtime_destroy(runtime);
        atomic_fetch_add(lives, 1);
    }
    return NULL;
}

BEHAVIOUR_OUTSIDE(side_by_side)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    atomic_int lives = 0;
    ran = 0;
    for (int i = 0; i < THREADS; i++)
        REQUIRE(thread_start(&threads[i], live_often, &lives));
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    AIO_CHECK_EQ(lives, THREADS * 10);
    AIO_CHECK_EQ(ran, lives);
}

static struct aio_runtime *start_on(const char *backend, uint32_t cores)
{
    struct aio_runtime_options options = cores_options(cores);
    struct aio_runtime *runtime = NULL;
    options.backend = backend;
    options.caps = NULL;
    if (aio_runtime_create(&runtime, &options) == 0 &&
        aio_runtime_start(runtime, cores_serve, NULL) == 0)
        return runtime;
    aio_runtime_destroy(runtime);
    return NULL;
}

/* Runtimes that pass a token around: this row's own, one on each backend, and one in our hands. */
struct ring {
    struct aio_runtime *members[4];
    const char *backends[4]; /* NULL: any */
    int count;
    int passed;
    atomic_int done;
};

static int pass(void *arg)
{
    struct ring *ring = arg;
    int at = ring->passed++ % ring->count;
    AIO_CHECK(aio_runtime_current() == ring->members[at]);
    if (ring->backends[at] != NULL)
        AIO_CHECK_STR(aio_runtime_backend(), ring->backends[at]);
    if (ring->passed < 200)
        return aio_runtime_post(ring->members[ring->passed % ring->count], 0, pass, ring);
    atomic_store(&ring->done, 1);
    return aio_runtime_stop(ring->members[0], 0);
}

static void join_ring(struct ring *ring, struct aio_runtime *runtime, const char *backend)
{
    if (runtime == NULL)
        return;
    ring->backends[ring->count] = backend;
    ring->members[ring->count++] = runtime;
}

BEHAVIOUR_OUTSIDE(different_kinds)
{
    struct ring ring = {.count = 0};
    struct aio_runtime *embedded = cores_create(1);
    REQUIRE(embedded != NULL);
    AIO_CHECK_OK(aio_runtime_attach(embedded, cores_serve, NULL));
    join_ring(&ring, embedded, test_row()->backend);
    join_ring(&ring, cores_start(3, cores_serve, NULL), test_row()->backend);
    join_ring(&ring, start_on("epoll", 2), "epoll");
    join_ring(&ring, start_on("uring", 2), "uring");
    AIO_CHECK(ring.count >= 3);
    AIO_CHECK_OK(aio_runtime_post(ring.members[0], 0, pass, &ring));
    while (aio_runtime_turn(embedded) > 0)
        (void)sched_yield();
    AIO_CHECK_EQ(ring.done, 1);
    AIO_CHECK_EQ(ring.passed, 200);
    for (int i = 0; i < ring.count; i++)
        aio_runtime_destroy(ring.members[i]);
}
