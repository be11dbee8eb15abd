/*
 * A runtime: its cores, each with what it needs on a thread of its own, and what they share.
 */
#ifndef AIO_CORE_RUNTIME_H
#define AIO_CORE_RUNTIME_H

#include "core/core.h"
#include "core/offload.h"
#include "core/overflow.h"

#include <pthread.h>
#include <sched.h>

/* A core with all that is opened and closed with it. */
struct aio__seat {
    struct aio__core core;
    struct aio__offload offload;
    struct aio__overflow overflow;
    pthread_t thread;
    bool threaded; /* thread is ours, and to be joined */
};

enum aio__runtime_stage {
    AIO__RUNTIME_MADE,    /* nothing runs */
    AIO__RUNTIME_OPENING, /* the cores open, all or none */
    AIO__RUNTIME_OPEN,
    AIO__RUNTIME_OVER, /* all cores have ended */
};

struct aio_runtime {
    struct aio_runtime_options options; /* settled; its texts are copies */
    uint32_t count;                     /* of seats */
    uint32_t born;                      /* forks of the process before this one was made */
    int (*entry)(void *arg);
    void *arg;
    bool hosted;    /* turned by somebody else's loop, see core/host.c */
    bool from_core; /* begun by a task, whose thread may have but one processor to pass on */
    int host_fd;
    int host_timer_fd;
    pthread_t host_thread;
    cpu_set_t allowed;

    atomic_int busy; /* cores that are not idle, and who may post from outside: core/mailbox.h */
    atomic_int deadlocks; /* found so far */
    atomic_int result;    /* the first that is not 0 */
    atomic_bool signaled; /* SIGINT or SIGTERM came, for all its cores: see os/signal.c */
    atomic_llong stop_at; /* when a stop in progress becomes hard; AIO_FOREVER: never */
    atomic_int stage;     /* of enum aio__runtime_stage; set with the lock held */
    atomic_int refs;      /* of those who may look at this */

    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t changed;
    uint32_t awaited; /* cores that are to open */
    uint32_t arrived; /* of these, opened or refused */
    uint32_t ended;
    int refusal;       /* why one could not be opened; 0: none */
    bool serving;      /* aio_runtime_serve is inside */
    bool stop_pending; /* came before the cores were open */

    struct aio_runtime *next; /* of all runtimes of the process, see core/quiet.c */
    struct aio_runtime *prev;
    struct aio__shard *shards; /* listening addresses shared by the cores, see net/shard.h */
    char backend[32];
    char caps[256];
    struct aio__seat seats[];
};

/* Checks the options and fills in the defaults. Returns 0 or -EINVAL, with a sentence in the log.
 */
int aio__options_settle(struct aio_runtime *runtime, const struct aio_runtime_options *options);

/* How many cores these options ask for. Returns 0 or -EINVAL. */
int aio__options_cores(const struct aio_runtime_options *options, uint32_t *count);

/* Opens the core of a seat on the calling thread, with its first task; the thread is the core's
 * until the close. Returns 0 or -errno with nothing left. */
int aio__seat_open(struct aio_runtime *runtime, struct aio__seat *seat);

/* Closes a core that has finished, on its thread. */
void aio__seat_close(struct aio__seat *seat);

/* Begins the run of a runtime that was only made; `serving`: on the calling thread. Returns 0;
 * -EBUSY; -ESHUTDOWN in a child of fork(2). */
int aio__runtime_prepare(struct aio_runtime *runtime, int (*entry)(void *arg), void *arg,
                         bool serving);

/* Opens a seat and waits for the others. Returns 0; or, with the seat ended, why one could not. */
int aio__seat_begin(struct aio__seat *seat, struct aio_runtime *runtime);

/* Closes a seat whose core has finished. */
void aio__seat_end(struct aio__seat *seat);

/* Makes the first task of a core: the entry, and after it the end of everything that is left. */
int aio__root_start(struct aio__core *core);

/* Cancels all tasks of the core; no new ones start. */
void aio__core_cancel(struct aio__core *core);

/* The first result that is not 0 counts. */
void aio__runtime_note(struct aio_runtime *runtime, int result);

/* Whether this process made the runtime, and no parent of it did. */
bool aio__runtime_ours(const struct aio_runtime *runtime);

/* Delivers a stop to every core: its first task is cancelled, and at stop_at all the others. */
void aio__stop_post(struct aio_runtime *runtime);
void aio__stop_open(struct aio__core *core);

/* Processors the calling thread may use; and those it could use if it were not a core's. */
void aio__affinity_read(cpu_set_t *allowed);
void aio__affinity_allowed(cpu_set_t *allowed);

/*
 * Gives the calling thread, which is the core of that index, a processor of its own. Where there
 * are more cores than processors that would only bind the system's hands: it has them all then.
 */
void aio__affinity_pin(const struct aio_runtime *runtime, uint32_t index);

/* Gives a thread that a core has made, which has inherited its one processor, all of them. */
void aio__affinity_widen(const struct aio_runtime *runtime);

/* Gives the thread of the first core back the processors it had before. */
void aio__affinity_unpin(const struct aio_runtime *runtime, const cpu_set_t *before);

#endif
