/*
 * The life of a runtime: made, its cores opened (all or none), run, ended, freed.
 */
#include "core/runtime.h"

#include "core/alloc.h"
#include "core/host.h"
#include "core/quiet.h"
#include "core/sched.h"
#include "core/task.h"

#include <stdio.h>

static atomic_uint runtime_forks;

/* A child of fork(2) shares the parent's rings or epolls, and must not touch them. Locks that other
 * threads of the parent had are nobody's there. */
static void runtime_forked(void)
{
    aio__core_current = NULL;
    atomic_fetch_add(&runtime_forks, 1);
    aio__mailbox_forked();
    aio__quiet_forked();
    aio__overflow_forked();
    aio__held_forked();
    aio__locals_forked();
}

static void runtime_watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, runtime_forked);
}

const char *aio__fork_hint(void)
{
    return atomic_load(&runtime_forks) == 0
               ? ""
               : " (a child of fork(2) has none of its parent's tasks and handles)";
}

bool aio__runtime_ours(const struct aio_runtime *runtime)
{
    return runtime->born == atomic_load(&runtime_forks);
}

void aio__runtime_note(struct aio_runtime *runtime, int result)
{
    int none = 0;
    if (result != 0)
        (void)atomic_compare_exchange_strong(&runtime->result, &none, result);
}

static void runtime_free(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++)
        if (runtime->seats[i].core.mailbox != NULL)
            aio__mailbox_free(runtime->seats[i].core.mailbox);
    pthread_cond_destroy(&runtime->changed);
    pthread_mutex_destroy(&runtime->lock);
    aio__free(runtime);
}

static void runtime_unref(struct aio_runtime *runtime)
{
    if (atomic_fetch_sub(&runtime->refs, 1) == 1)
        runtime_free(runtime);
}

static int runtime_open_mailboxes(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct aio__core *core = &runtime->seats[i].core;
        core->mailbox = aio__mailbox_open(&runtime->busy);
        if (core->mailbox == NULL)
            return -ENOMEM;
    }
    return 0;
}

static void runtime_init(struct aio_runtime *runtime, uint32_t count)
{
    runtime->count = count;
    runtime->born = atomic_load(&runtime_forks);
    runtime->host_fd = runtime->host_timer_fd = -1;
    atomic_store(&runtime->busy, (int)count);
    atomic_store(&runtime->refs, 1);
    atomic_store(&runtime->stop_at, AIO_FOREVER);
    aio__affinity_allowed(&runtime->allowed);
    pthread_mutex_init(&runtime->lock, NULL);
    pthread_cond_init(&runtime->changed, NULL);
}

static int runtime_make(struct aio_runtime **out, const struct aio_runtime_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint32_t count;
    (void)pthread_once(&once, runtime_watch_forks);
    int rc = aio__options_cores(options, &count);
    if (rc < 0)
        return rc;
    struct aio_runtime *runtime =
        aio__alloc_shared(sizeof *runtime + count * sizeof runtime->seats[0]);
    if (runtime == NULL)
        return -ENOMEM;
    runtime_init(runtime, count);
    rc = aio__options_settle(runtime, options);
    if (rc == 0)
        rc = runtime_open_mailboxes(runtime);
    if (rc < 0)
        runtime_free(runtime);
    else
        *out = runtime;
    return rc;
}

int aio_runtime_create(struct aio_runtime **out, const struct aio_runtime_options *options)
{
    int rc = runtime_make(out, options);
    if (rc == 0 && ((*out)->options.flags & AIO_RUNTIME_UNHELD) == 0)
        atomic_fetch_add(&(*out)->busy, 1);
    return rc;
}

void aio_runtime_hold(struct aio_runtime *runtime)
{
    atomic_fetch_add(&runtime->refs, 1);
    atomic_fetch_add(&runtime->busy, 1);
}

static void runtime_let_go(struct aio_runtime *runtime)
{
    if (atomic_fetch_sub(&runtime->busy, 1) == 1)
        aio__quiet_again(runtime);
}

void aio_runtime_release(struct aio_runtime *runtime)
{
    if (aio__runtime_ours(runtime))
        runtime_let_go(runtime);
    runtime_unref(runtime);
}

/* Waits until every core has opened or could not. Returns 0 or why one could not. */
static int runtime_arrive(struct aio_runtime *runtime, int rc)
{
    pthread_mutex_lock(&runtime->lock);
    runtime->arrived++;
    if (rc < 0 && runtime->refusal == 0)
        runtime->refusal = rc;
    while (runtime->arrived < runtime->awaited)
        pthread_cond_wait(&runtime->changed, &runtime->lock);
    if (atomic_load(&runtime->stage) == AIO__RUNTIME_OPENING && runtime->refusal == 0) {
        atomic_store(&runtime->stage, AIO__RUNTIME_OPEN);
        if (runtime->stop_pending)
            aio__stop_post(runtime);
    }
    pthread_cond_broadcast(&runtime->changed);
    rc = runtime->refusal;
    pthread_mutex_unlock(&runtime->lock);
    return rc;
}

/* The last to end closes what the cores had in common. */
static void runtime_leave(struct aio_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    bool last = ++runtime->ended == runtime->awaited;
    if (last)
        atomic_store(&runtime->stage, AIO__RUNTIME_OVER);
    bool others_idle = atomic_fetch_sub(&runtime->busy, 1) == 1 && !last;
    pthread_cond_broadcast(&runtime->changed);
    if (others_idle)
        aio__quiet_check(runtime);
    pthread_mutex_unlock(&runtime->lock);
}

int aio__seat_begin(struct aio__seat *seat, struct aio_runtime *runtime)
{
    int opened = aio__seat_open(runtime, seat);
    if (opened == 0 && runtime->hosted) {
        opened = aio__host_open(runtime);
        if (opened < 0)
            aio__seat_close(seat);
    }
    int rc = runtime_arrive(runtime, opened);
    if (rc == 0)
        return 0;
    if (opened == 0)
        aio__seat_close(seat);
    runtime_leave(runtime);
    return rc;
}

void aio__seat_end(struct aio__seat *seat)
{
    struct aio_runtime *runtime = seat->core.runtime;
    aio__seat_close(seat);
    runtime_leave(runtime);
}

static int runtime_run_seat(struct aio__seat *seat, struct aio_runtime *runtime)
{
    uint32_t index = (uint32_t)(seat - runtime->seats);
    aio__affinity_pin(runtime, index);
    int rc = aio__seat_begin(seat, runtime);
    if (rc == 0) {
        aio__loop_run(&seat->core);
        aio__seat_end(seat);
    }
    return rc;
}

static void *runtime_thread(void *arg)
{
    struct aio__seat *seat = arg;
    struct aio_runtime *runtime = seat->core.runtime;
    char name[16];
    (void)snprintf(name, sizeof name, "aio-%u", (unsigned)(seat - runtime->seats));
    (void)pthread_setname_np(pthread_self(), name);
    (void)runtime_run_seat(seat, runtime);
    return NULL;
}

/* Starts the threads of the seats from `first` on. One that cannot start is a core that cannot
 * open.
 */
static void runtime_start_threads(struct aio_runtime *runtime, uint32_t first)
{
    for (uint32_t i = first; i < runtime->count; i++) {
        struct aio__seat *seat = &runtime->seats[i];
        seat->core.runtime = runtime;
        pthread_mutex_lock(&runtime->lock); /* others may be waiting for the end already */
        int error = pthread_create(&seat->thread, NULL, runtime_thread, seat);
        seat->threaded = error == 0;
        if (error != 0) {
            runtime->refusal = -error;
            runtime->awaited = i;
            pthread_cond_broadcast(&runtime->changed);
        }
        pthread_mutex_unlock(&runtime->lock);
        if (error == 0)
            continue;
        aio__log_error("core %u of %u has no thread: %s", i, runtime->count,
                       aio_error_name(-error));
        return;
    }
}

static void runtime_join_threads(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct aio__seat *seat = &runtime->seats[i];
        pthread_mutex_lock(&runtime->lock);
        bool ours = seat->threaded;
        seat->threaded = false; /* joined once, whoever asks */
        pthread_mutex_unlock(&runtime->lock);
        if (ours)
            pthread_join(seat->thread, NULL);
    }
}

int aio__runtime_prepare(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg,
                         bool serving)
{
    if (!aio__runtime_ours(runtime))
        return -ESHUTDOWN;
    pthread_mutex_lock(&runtime->lock);
    bool fresh = atomic_load(&runtime->stage) == AIO__RUNTIME_MADE;
    if (fresh) {
        atomic_store(&runtime->stage, AIO__RUNTIME_OPENING);
        runtime->awaited = runtime->count;
        runtime->serving = serving;
        runtime->from_core = aio__core_current != NULL;
        runtime->entry = entry;
        runtime->arg = arg;
    }
    pthread_mutex_unlock(&runtime->lock);
    if (fresh)
        aio__quiet_enter(runtime);
    return fresh ? 0 : -EBUSY;
}

/* Waits until the runtime is over, with no thread of its own left. */
static void runtime_await(struct aio_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    while (atomic_load(&runtime->stage) != AIO__RUNTIME_OVER || runtime->serving)
        pthread_cond_wait(&runtime->changed, &runtime->lock);
    pthread_mutex_unlock(&runtime->lock);
    runtime_join_threads(runtime);
}

int aio_runtime_start(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg)
{
    int rc = aio__runtime_prepare(runtime, entry, arg, false);
    if (rc < 0)
        return rc;
    runtime_start_threads(runtime, 0);
    pthread_mutex_lock(&runtime->lock);
    if (runtime->awaited == 0) { /* not one thread could start */
        atomic_store(&runtime->stage, AIO__RUNTIME_OVER);
        pthread_cond_broadcast(&runtime->changed);
    }
    while (atomic_load(&runtime->stage) == AIO__RUNTIME_OPENING)
        pthread_cond_wait(&runtime->changed, &runtime->lock);
    rc = runtime->refusal;
    pthread_mutex_unlock(&runtime->lock);
    if (rc < 0)
        runtime_await(runtime);
    return rc;
}

int aio_runtime_serve(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg)
{
    if (aio__core_current != NULL)
        return -EBUSY;
    int rc = aio__runtime_prepare(runtime, entry, arg, true);
    if (rc < 0)
        return rc;
    cpu_set_t before;
    aio__affinity_read(&before);
    runtime_start_threads(runtime, 1);
    rc = runtime_run_seat(&runtime->seats[0], runtime);
    aio__affinity_unpin(runtime, &before);
    runtime_join_threads(runtime);
    if (rc == 0)
        rc = atomic_load(&runtime->result);
    pthread_mutex_lock(&runtime->lock);
    runtime->serving = false;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->lock);
    return rc;
}

int aio_runtime_wait(struct aio_runtime *runtime, int *result)
{
    if (aio__core_current != NULL)
        return -EBUSY;
    if (!aio__runtime_ours(runtime))
        return -ESHUTDOWN;
    int stage = atomic_load(&runtime->stage);
    if (stage == AIO__RUNTIME_MADE)
        return -EINVAL;
    if (stage == AIO__RUNTIME_OPEN && runtime->hosted &&
        pthread_equal(runtime->host_thread, pthread_self()))
        return -EDEADLK;                 /* nobody else turns it */
    atomic_fetch_add(&runtime->refs, 1); /* another thread may destroy it when it is over */
    runtime_await(runtime);
    if (result != NULL)
        *result = runtime->refusal < 0 ? runtime->refusal : atomic_load(&runtime->result);
    runtime_unref(runtime);
    return 0;
}

/* With `held` the creator's hold ends too, before the wait: tasks that wait for good in shields are
 * a deadlock then, as nobody is left who could wake them. */
static void runtime_end(struct aio_runtime *runtime, bool held)
{
    int stage = atomic_load(&runtime->stage);
    if (stage == AIO__RUNTIME_MADE)
        return;
    AIO__REQUIRE(aio__core_current == NULL || aio__core_current->runtime != runtime,
                 "aio_runtime_destroy was called by a task of that runtime");
    if (stage != AIO__RUNTIME_OVER)
        (void)aio_runtime_stop(runtime, 0);
    if (held)
        runtime_let_go(runtime);
    if (runtime->hosted)
        aio__host_end(runtime);
    runtime_await(runtime);
    aio__quiet_leave(runtime);
}

void aio_runtime_destroy(struct aio_runtime *runtime)
{
    if (runtime == NULL || !aio__runtime_ours(runtime))
        return; /* a child of fork(2) leaves the parent's alone */
    runtime_end(runtime, (runtime->options.flags & AIO_RUNTIME_UNHELD) == 0);
    runtime_unref(runtime);
}

struct aio_runtime *aio_runtime_current(void)
{
    return aio__core_current != NULL ? aio__core_current->runtime : NULL;
}

int aio_runtime_run(const struct aio_runtime_options *options, int (*entry)(void *arg), void *arg)
{
    struct aio_runtime *runtime;
    if (aio__core_current != NULL)
        return -EBUSY;
    int rc = runtime_make(&runtime, options);
    if (rc < 0)
        return rc;
    rc = aio_runtime_serve(runtime, entry, arg);
    runtime_end(runtime, false);
    runtime_unref(runtime);
    return rc;
}
