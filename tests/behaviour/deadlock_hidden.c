/*
 * Deadlocks that something could hide: a listener that is armed, somebody else's loop, a creator
 * who destroys what he holds.
 */
#define SUITE "deadlock_hidden"
#include "tests/behaviour/deadlock_tools.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

static void *connect_later(void *address)
{
    const struct aio_address *to = address;
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(connect(fd, &to->any, to->length), 0);
    close(fd);
    return NULL;
}

/* An accept and a select that are cut short leave the listener armed. */
static void arm_listener(struct aio_listener *listener)
{
    struct aio_stream *peer;
    struct aio_select_case ready = aio_select_acceptable(listener);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_listener_accept(listener, &peer), -ETIMEDOUT);
    }
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_select_wait(&ready, 1), -ETIMEDOUT);
    }
}

/* Who asks it again waits for something real, by a select as by an accept. */
static int real_listener(void *unused)
{
    struct aio_listener *listener;
    struct aio_stream *peer;
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES];
    pthread_t threads[2];
    (void)unused;
    if (!wire_listen(&listener, text))
        return -1;
    AIO_CHECK_OK(aio_address_parse(&address, text));
    arm_listener(listener);
    struct aio_select_case ready = aio_select_acceptable(listener);
    for (int i = 0; i < 2; i++) {
        if (!thread_start(&threads[i], connect_later, &address))
            return -1;
        if (i == 0)
            AIO_CHECK_EQ(aio_select_wait(&ready, 1), 0);
        AIO_CHECK_OK(aio_listener_accept(listener, &peer));
        aio_stream_close(peer);
        thread_join(threads[i]);
    }
    aio_listener_close(listener);
    return 0;
}

static int wait_for_listener(void *unused)
{
    return aio_core_index() == 0 ? real_listener(unused) : 0;
}

BEHAVIOUR_OUTSIDE(listener_that_is_asked)
{
    for (uint32_t cores = 1; cores <= 3; cores++)
        AIO_CHECK_OK(cores_run(cores, wait_for_listener, NULL));
}

static int leave_listener_armed(void *unused)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    if (!wire_listen(&listener, text))
        return 2;
    arm_listener(listener);
    int rc = deadlock_sleep(unused);
    if (aio_core_index() % 2 == 0) /* else by the end of the runtime */
        aio_listener_close(listener);
    return rc;
}

/* One that nobody asks keeps nobody waiting. */
BEHAVIOUR_OUTSIDE(listener_that_nobody_asks)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    for (uint32_t cores = 1; cores <= 3; cores++) {
        struct deadlock_scene scene = {cores, leave_listener_armed};
        REQUIRE(child_run(&child, deadlock_run, &scene));
        child_exited(&child, DEADLOCK_FOUND);
        child_said(&child, "task 'sleeper': parked in sleep");
    }
}

static int shield_beside_listener(void *unused)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    if (!wire_listen(&listener, text))
        return 2;
    arm_listener(listener);
    return deadlock_shield(unused);
}

/* Nor does it keep a task waiting for good that no cancellation reaches. */
BEHAVIOUR_OUTSIDE(listener_beside_shields)
{
    struct child child;
    for (uint32_t cores = 1; cores <= 3; cores += 2) {
        if (!deadlock_check(&child, cores, shield_beside_listener))
            return;
        child_said(&child, "abandoned");
    }
}

/* Turns the runtime as often as its descriptor says, until it is over. */
static int attach_unheld(void *entry)
{
    struct aio_runtime_options options = test_options();
    struct aio_runtime *runtime;
    struct pollfd ready = {.events = POLLIN};
    int result = 0;
    options.flags = AIO_RUNTIME_UNHELD;
    if (aio_runtime_create(&runtime, &options) < 0 ||
        aio_runtime_attach(runtime, *(int (**)(void *))entry, NULL) < 0)
        return 2;
    while (aio_runtime_turn(runtime) > 0) {
        ready.fd = aio_runtime_fd(runtime);
        (void)poll(&ready, 1, -1);
    }
    if (aio_runtime_wait(runtime, &result) < 0)
        return 3;
    aio_runtime_destroy(runtime);
    return result == -EDEADLK ? DEADLOCK_FOUND : 4;
}

/* Unless he says that he will not; the descriptor tells when there is something to report. */
BEHAVIOUR_OUTSIDE(embedded_and_unheld)
{
    static int (*const entries[])(void *) = {deadlock_sleep, deadlock_shield,
                                             shield_beside_listener};
    struct child child;
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        REQUIRE(child_run(&child, attach_unheld, (void *)(uintptr_t)&entries[i]));
        child_exited(&child, DEADLOCK_FOUND);
        child_said(&child, "deadlock");
    }
}

static atomic_int shielded;

static int shield_for_good(void *unused)
{
    atomic_fetch_add(&shielded, 1);
    return deadlock_shield(unused);
}

static int destroy_started(void *arg)
{
    const struct deadlock_scene *scene = arg;
    struct aio_runtime *runtime = cores_start(scene->cores, scene->entry, NULL);
    if (runtime == NULL || !cores_wait_outside(&shielded, (int)scene->cores))
        return 1;
    aio_runtime_destroy(runtime);
    return DEADLOCK_FOUND;
}

static int destroy_attached(void *arg)
{
    const struct deadlock_scene *scene = arg;
    struct aio_runtime *runtime = cores_create(1);
    if (runtime == NULL || aio_runtime_attach(runtime, scene->entry, NULL) < 0 ||
        aio_runtime_turn(runtime) != 1)
        return 1;
    aio_runtime_destroy(runtime);
    return DEADLOCK_FOUND;
}

/* Who destroys a runtime will not wake it any more: what waits in shields for that is abandoned. */
BEHAVIOUR_OUTSIDE(destroyed_while_shielded)
{
    struct child child;
    struct deadlock_scene scene = {1, shield_for_good};
    REQUIRE(child_run(&child, destroy_attached, &scene));
    child_exited(&child, DEADLOCK_FOUND);
    child_said(&child, "abandoned");
    if (!child_may_have_threads())
        return;
    for (scene.cores = 1; scene.cores <= 3; scene.cores += 2) {
        REQUIRE(child_run(&child, destroy_started, &scene));
        child_exited(&child, DEADLOCK_FOUND);
        child_said(&child, "abandoned");
    }
}
