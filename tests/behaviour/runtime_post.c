/*
 * Tasks posted by threads outside, and holds on the runtime they are posted to.
 */
#define SUITE "runtime_post"
#include "tests/behaviour/cores_tools.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, EACH = 300, CORES = 2 };

static atomic_int ran;
static atomic_int misplaced;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* What a thread posts, alternately to each core; how far each core has seen it. */
struct poster {
    struct aio_runtime *runtime;
    pthread_t thread;
    int next[CORES];
    atomic_int disordered;
    int rc;
    struct post {
        struct poster *poster;
        int core;
        int number;
    } posts[EACH];
};

static int note(void *arg)
{
    const struct post *post = arg;
    if (aio_core_index() != (uint32_t)post->core)
        atomic_fetch_add(&misplaced, 1);
    if (post->number != post->poster->next[post->core])
        atomic_fetch_add(&post->poster->disordered, 1);
    post->poster->next[post->core] = post->number + CORES;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < EACH; i++) {
        poster->posts[i] = (struct post){poster, i % CORES, i};
        AIO_CHECK_OK(
            aio_runtime_post(poster->runtime, (uint32_t)i % CORES, note, &poster->posts[i]));
        if (i % 32 == 0)
            (void)sched_yield(); /* the cores may fall asleep meanwhile */
    }
    return NULL;
}

static void post_from_threads(struct poster *posters, struct aio_runtime *runtime)
{
    ran = misplaced = 0;
    for (int i = 0; i < THREADS; i++) {
        memset(&posters[i], 0, sizeof posters[i]);
        posters[i].runtime = runtime;
        for (int core = 0; core < CORES; core++)
            posters[i].next[core] = core;
        REQUIRE(thread_start(&posters[i].thread, post_all, &posters[i]));
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(posters[i].thread);
    AIO_CHECK(cores_wait_outside(&ran, THREADS * EACH));
    AIO_CHECK_EQ(misplaced, 0);
    for (int i = 0; i < THREADS; i++)
        AIO_CHECK_EQ(posters[i].disordered, 0);
}

/* All that threads post runs, where it was sent to, each thread's in order. */
BEHAVIOUR_OUTSIDE(threads_post)
{
    static struct poster posters[THREADS];
    struct aio_runtime *runtime = cores_start(CORES, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    post_from_threads(posters, runtime);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(cores_end(runtime));
}

/* One at a time, so that the core sleeps before each. */
BEHAVIOUR_OUTSIDE(posts_wake_the_core)
{
    struct aio_runtime *runtime = cores_start(1, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    ran = 0;
    for (int i = 1; i <= 100; i++) {
        AIO_CHECK_OK(aio_runtime_post(runtime, 0, count, NULL));
        REQUIRE(cores_wait_outside(&ran, i));
    }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(cores_end(runtime));
}

/* Before it is open and after its end a runtime takes nothing. */
BEHAVIOUR_OUTSIDE(refused_when_not_open)
{
    struct aio_runtime *runtime = cores_create(2);
    REQUIRE(runtime != NULL);
    ran = 0;
    AIO_CHECK_ERROR(aio_runtime_post(runtime, 0, count, NULL), -ESHUTDOWN);
    AIO_CHECK_OK(aio_runtime_start(runtime, cores_serve, NULL));
    AIO_CHECK_ERROR(aio_runtime_post(runtime, 2, count, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_runtime_post(runtime, UINT32_MAX, count, NULL), -EINVAL);
    AIO_CHECK_OK(aio_runtime_post(runtime, 1, count, NULL));
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(aio_runtime_wait(runtime, NULL));
    AIO_CHECK_EQ(ran, 1);
    for (uint32_t core = 0; core < 2; core++)
        AIO_CHECK_ERROR(aio_runtime_post(runtime, core, count, NULL), -ESHUTDOWN);
    aio_runtime_destroy(runtime);
}

static int post_to_itself(void *unused)
{
    (void)unused;
    for (uint32_t core = 0; core < 2; core++)
        AIO_CHECK_OK(aio_runtime_post(aio_runtime_current(), core, count, NULL));
    return cores_wait(&ran, 4) ? 0 : -1;
}

/* A task posts to its own runtime. */
BEHAVIOUR_OUTSIDE(tasks_post)
{
    ran = 0;
    AIO_CHECK(aio_runtime_current() == NULL);
    AIO_CHECK_OK(cores_run(2, post_to_itself, NULL));
    AIO_CHECK_EQ(ran, 4);
}

static atomic_int accepted;

/* How far the threads are ahead of the core, at most, or the end takes its time. */
enum { AHEAD = 300 };

static void *post_until_refused(void *arg)
{
    struct poster *poster = arg;
    while ((poster->rc = aio_runtime_post(poster->runtime, 0, count, NULL)) == 0) {
        atomic_fetch_add(&accepted, 1);
        while (accepted - ran > AHEAD)
            (void)sched_yield();
    }
    aio_runtime_release(poster->runtime);
    return NULL;
}

static int sleep_a_little(void *unused)
{
    (void)unused;
    return aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_MS(1)));
}

/* Threads that post while the runtime ends, and hold it while it is destroyed. */
static void post_while_it_ends(void)
{
    static struct poster posters[THREADS];
    ran = accepted = 0;
    struct aio_runtime *runtime = cores_start(2, sleep_a_little, NULL);
    REQUIRE(runtime != NULL);
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.runtime = runtime};
        aio_runtime_hold(runtime);
        REQUIRE(thread_start(&posters[i].thread, post_until_refused, &posters[i]));
    }
    AIO_CHECK_OK(cores_end(runtime));
    for (int i = 0; i < THREADS; i++) {
        thread_join(posters[i].thread);
        AIO_CHECK_ERROR(posters[i].rc, -ESHUTDOWN);
    }
    AIO_CHECK_EQ(ran, accepted);
}

/* What was accepted has run when the runtime is over; the others are told. */
BEHAVIOUR_OUTSIDE(posts_race_the_end)
{
    int rounds = 30 / (int)test_slowness();
    for (int round = 0; round < rounds; round++)
        post_while_it_ends();
}

/* A handle that is held answers after its creator has destroyed the runtime. */
BEHAVIOUR_OUTSIDE(held_beyond_the_end)
{
    for (int running = 0; running < 2; running++) {
        struct aio_runtime *runtime = running ? cores_start(2, cores_serve, NULL) : cores_create(2);
        REQUIRE(runtime != NULL);
        aio_runtime_hold(runtime);
        aio_runtime_hold(runtime);
        aio_runtime_destroy(runtime);
        AIO_CHECK_ERROR(aio_runtime_post(runtime, 0, count, NULL), -ESHUTDOWN);
        aio_runtime_release(runtime);
        AIO_CHECK_ERROR(aio_runtime_post(runtime, 1, count, NULL), -ESHUTDOWN);
        aio_runtime_release(runtime);
    }
}

struct keeper {
    struct aio_runtime *runtime;
    atomic_int taken;
};

static int give_away(void *arg)
{
    struct keeper *keeper = arg;
    aio_runtime_hold(aio_runtime_current());
    keeper->runtime = aio_runtime_current();
    atomic_store(&keeper->taken, 1);
    return cores_serve(NULL);
}

static void *post_and_stop(void *arg)
{
    struct keeper *keeper = arg;
    (void)cores_wait_outside(&keeper->taken, 1);
    AIO_CHECK_OK(aio_runtime_post(keeper->runtime, 0, count, NULL));
    AIO_CHECK(cores_wait_outside(&ran, 1));
    AIO_CHECK_OK(aio_runtime_stop(keeper->runtime, 0));
    aio_runtime_release(keeper->runtime);
    return NULL;
}

/* A task gives its runtime, made by aio_runtime_run, to a thread. */
BEHAVIOUR_OUTSIDE(held_by_a_task)
{
    struct keeper keeper = {.runtime = NULL};
    pthread_t thread;
    ran = 0;
    REQUIRE(thread_start(&thread, post_and_stop, &keeper));
    AIO_CHECK_OK(test_run(give_away, &keeper));
    thread_join(thread);
    AIO_CHECK_EQ(ran, 1);
}

/* In the child everything refuses; then it exits. */
static int use_in_child(struct aio_runtime *runtime)
{
    int result;
    if (aio_runtime_post(runtime, 0, count, NULL) != -ESHUTDOWN)
        return 2;
    if (aio_runtime_stop(runtime, 0) != -ESHUTDOWN)
        return 3;
    if (aio_runtime_wait(runtime, &result) != -ESHUTDOWN)
        return 4;
    if (aio_runtime_turn(runtime) != -ESHUTDOWN)
        return 5;
    if (aio_runtime_start(runtime, count, NULL) != -ESHUTDOWN)
        return 6;
    if (aio_runtime_serve(runtime, count, NULL) != -ESHUTDOWN)
        return 7;
    if (aio_runtime_current() != NULL)
        return 8;
    aio_runtime_destroy(runtime);
    return 0;
}

static void check_child(struct aio_runtime *runtime)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(use_in_child(runtime));
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK_EQ(status, 0);
}

/* A child of fork is refused, whatever stage the runtime is in, and the parent's goes on. */
BEHAVIOUR_OUTSIDE(forked_child)
{
    struct aio_runtime *runtime = cores_create(2);
    REQUIRE(runtime != NULL);
    ran = 0;
    check_child(runtime);
    AIO_CHECK_OK(aio_runtime_start(runtime, cores_serve, NULL));
    for (int i = 1; i < 6; i++) {
        check_child(runtime);
        AIO_CHECK_OK(aio_runtime_post(runtime, (uint32_t)i % 2, count, NULL));
        AIO_CHECK(cores_wait_outside(&ran, i));
    }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(aio_runtime_wait(runtime, NULL));
    check_child(runtime);
    aio_runtime_destroy(runtime);
}

static int run_own_in_child(void *unused)
{
    ran = 0;
    (void)unused;
    for (int i = 0; i < 3; i++)
        if (cores_run(2, count, NULL) != 0)
            return 2;
    return ran == 6 ? 0 : 3;
}

/* The child of a process whose cores are busy runs a runtime of its own, also of several cores. */
BEHAVIOUR_OUTSIDE(forked_child_has_its_own)
{
    static struct poster posters[THREADS];
    struct child child;
    struct aio_runtime *runtime = cores_start(CORES, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    if (child_may_have_threads())
        for (int i = 0; i < 5; i++) {
            post_from_threads(posters, runtime);
            REQUIRE(child_run(&child, run_own_in_child, NULL));
            child_exited(&child, 0);
        }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(cores_end(runtime));
}
