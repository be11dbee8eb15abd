/*
 * A runtime inside another event loop: turns, timers, posts and ends.
 */
#define SUITE "embed_loop"
#include "tests/behaviour/embed_tools.h"

#include <signal.h>

static int note_entry(void *arg)
{
    *(int *)arg = 1;
    AIO_CHECK_ERROR(aio_runtime_turn(aio_runtime_current()), -EBUSY);
    return aio_task_yield() == 0 ? 6 : -1;
}

/* Nothing runs before the first turn; the last one ends the runtime. */
BEHAVIOUR_OUTSIDE(runs_in_turns)
{
    struct embed_loop loop;
    int entered = 0;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach(&loop, note_entry, &entered);
    REQUIRE(runtime != NULL);
    AIO_CHECK_ERROR(aio_runtime_wait(runtime, NULL), -EDEADLK); /* nobody would turn it */
    AIO_CHECK_EQ(entered, 0);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK_EQ(entered, 1);
    AIO_CHECK_EQ(embed_result(runtime), 6);
    embed_close(&loop);
}

/* A runtime of several cores has no place in a loop. */
BEHAVIOUR_OUTSIDE(one_core_only)
{
    struct aio_runtime *runtime = cores_create(2);
    REQUIRE(runtime != NULL);
    AIO_CHECK_ERROR(aio_runtime_attach(runtime, cores_serve, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_runtime_turn(runtime), -EINVAL);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(aio_runtime_serve(runtime, cores_serve, NULL));
    aio_runtime_destroy(runtime);
}

static int sleep_often(void *arg)
{
    int64_t start_ns = aio_time_now();
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(700)));
    AIO_CHECK(aio_time_now() - start_ns >= 20 * AIO_US(700));
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    }
    *(int64_t *)arg = aio_time_now() - start_ns;
    return 0;
}

/* Timers make the descriptor readable when they are due, and turns in between are few. */
BEHAVIOUR_OUTSIDE(timers)
{
    struct embed_loop loop;
    int64_t took_ns = 0;
    REQUIRE(embed_open(&loop));
    REQUIRE(embed_attach(&loop, sleep_often, &took_ns) != NULL);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK(took_ns < AIO_SEC(8) * test_slowness());
    AIO_CHECK(loop.turns < 150);
    embed_close(&loop);
}

static atomic_int ran;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* Posts one at a time and stops in the end. */
static void *post_and_stop(void *runtime)
{
    for (int i = 1; i <= 100; i++) {
        AIO_CHECK_OK(aio_runtime_post(runtime, 0, count, NULL));
        if (!cores_wait_outside(&ran, i))
            break;
    }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    return NULL;
}

/* A thread's posts and its stop wake the loop that sleeps. */
BEHAVIOUR_OUTSIDE(posts_from_a_thread)
{
    struct embed_loop loop;
    pthread_t thread;
    ran = 0;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach(&loop, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    REQUIRE(thread_start(&thread, post_and_stop, runtime));
    AIO_CHECK(embed_run(&loop));
    thread_join(thread);
    AIO_CHECK_EQ(ran, 100);
    AIO_CHECK_OK(embed_result(runtime));
    embed_close(&loop);
}

static int leave_some(void *unused)
{
    struct aio_listener *listener;
    struct aio_stream *stream;
    (void)unused;
    if (aio_tcp_listen(&listener, "127.0.0.1:0", NULL) < 0)
        return -1;
    (void)!aio_task_spawn(NULL, task_sleep_forever, NULL, NULL); /* not when it is ending */
    return aio_listener_accept(listener, &stream);
}

/* Destroying one that still lives ends it at once, its listeners and sleepers included. */
BEHAVIOUR_OUTSIDE(destroyed_alive)
{
    for (int turns = 0; turns < 20; turns += 5) {
        struct embed_loop loop;
        REQUIRE(embed_open(&loop));
        REQUIRE(embed_attach(&loop, leave_some, NULL) != NULL);
        for (int i = 0; i < turns; i++)
            (void)embed_turn(&loop, 5);
        embed_close(&loop);
    }
}

/* Two runtimes that post to each other. */
struct game {
    struct aio_runtime *players[EMBED_MOST];
    int rallies;
};

static int strike(void *arg)
{
    struct game *game = arg;
    int side = game->rallies++ % EMBED_MOST;
    AIO_CHECK(aio_runtime_current() == game->players[side]);
    if (game->rallies < 200)
        return aio_runtime_post(game->players[game->rallies % EMBED_MOST], 0, strike, game);
    for (int i = 0; i < EMBED_MOST; i++)
        AIO_CHECK_OK(aio_runtime_stop(game->players[i], 0));
    return 0;
}

BEHAVIOUR_OUTSIDE(two_on_one_thread)
{
    struct embed_loop loop;
    struct game game = {.rallies = 0};
    REQUIRE(embed_open(&loop));
    for (int i = 0; i < EMBED_MOST; i++) {
        game.players[i] = embed_attach(&loop, cores_serve, NULL);
        REQUIRE(game.players[i] != NULL);
    }
    AIO_CHECK_OK(aio_runtime_post(game.players[0], 0, strike, &game));
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK_EQ(game.rallies, 200);
    embed_close(&loop);
}

static void *turn_it(void *runtime)
{
    (void)aio_runtime_turn(runtime);
    return NULL;
}

static int turn_elsewhere(void *unused)
{
    pthread_t thread;
    struct aio_runtime *runtime = cores_create(1);
    (void)unused;
    if (runtime == NULL || aio_runtime_attach(runtime, cores_serve, NULL) < 0 ||
        !thread_start(&thread, turn_it, runtime))
        return 2;
    thread_join(thread);
    return 3;
}

/* Only the thread that attached it may turn it. */
BEHAVIOUR_OUTSIDE(turned_by_another_thread)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, turn_elsewhere, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_runtime_turn was called by another thread than aio_runtime_attach");
}
