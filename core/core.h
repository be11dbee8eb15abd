/*
 * The core: one thread's scheduler, with its backend, timers, stacks, mailbox and handles.
 * Nothing in it is shared with other threads but what the mailbox points to.
 */
#ifndef AIO_CORE_CORE_H
#define AIO_CORE_CORE_H

#include "core/alloc.h"
#include "core/backend.h"
#include "core/buffers.h"
#include "core/context/context.h"
#include "core/heap.h"
#include "core/held.h"
#include "core/log.h"
#include "core/mailbox.h"
#include "core/pipe.h"
#include "core/sanitize.h"
#include "core/stack.h"
#include "core/wait.h"

#include <aio/error.h>
#include <aio/runtime.h>
#include <aio/task.h>
#include <aio/time.h>
#include <errno.h>

/* Dispatches and instant completions in a turn, at most; fewer when they turn out to be long. */
#define AIO__SLICE_MAX 128
/* What so many bytes that were moved at once count for: about as long as a system call or two. */
#define AIO__CHARGE_BYTES 32768
/* What a slice should take at most. */
#define AIO__SLICE_NS 400000
/* Instant completions a task may have in a row before the others get their turn. */
#define AIO__BUDGET 32
/* While tasks are ready, the backend is polled after the slice in which this time has passed. */
#define AIO__POLL_INTERVAL_NS 50000

enum aio__task_state {
    AIO__TASK_READY,    /* in the ready queue */
    AIO__TASK_RUNNING,  /* has the thread */
    AIO__TASK_PARKED,   /* wait says for what */
    AIO__TASK_FINISHED, /* waits to be joined */
};

struct aio_task {
    struct aio__context context;
    struct aio_task *next; /* in the ready queue */
    struct aio__core *core;
    struct aio__wait *wait; /* while parked */
    int64_t deadline_ns;    /* the nearest of `deadlines`; AIO_FOREVER: none */
    struct aio_deadline *deadlines;
    uint8_t state;
    bool canceled;
    bool detached;
    int result;
    uint32_t mutexes_held; /* a task must not end with any */
    uint32_t rwlocks_held;
    struct aio__timer timer; /* armed lazily, never later than deadline_ns while parked */
    int (*fn)(void *arg);
    void *arg;
    struct aio__wait *joiner;
    struct aio__locals *locals; /* NULL: it has set none */
    struct aio_scope *scope;    /* of which it is a child; NULL: of none */
    struct aio_scope *scopes;   /* its own, still open, the newest first */
    struct aio_task *all_next;
    struct aio_task *all_prev;
    struct aio__stack stack;
    struct aio_task *scope_next; /* among the children of the scope */
    struct aio_task *scope_prev;
    uint32_t scope_index;
    uint32_t shields; /* open ones: cancellation and outer deadlines are held back */
    char name[24];
    struct aio__sanitize sanitize;
};

struct aio__ready {
    struct aio_task *head;
    struct aio_task *tail;
};

/* Work that is put off until just before the next poll, so that all of a turn's goes together. */
struct aio__deferred {
    struct aio__deferred *next;
    void (*run)(struct aio__deferred *deferred);
    bool listed;
};

/* What is to be done on a core's thread when the core ends, with its mailbox closed. */
struct aio__cleanup {
    void (*run)(struct aio__core *core, struct aio__cleanup *cleanup); /* it is off the list */
    struct aio__cleanup *next;
    struct aio__cleanup *prev;
};

struct aio__handle;
struct aio__memory;
struct aio__offload;
struct aio__resolver;
struct aio_runtime;

struct aio__core {
    struct aio_task *current; /* NULL in the loop's own context */
    struct aio__ready ready;
    int32_t slice;       /* what is left of slice_limit */
    int32_t slice_limit; /* 1 to AIO__SLICE_MAX, by what the last slices took */
    int32_t budget;      /* what is left of the current task's AIO__BUDGET */
    uint32_t tasks_live;
    int64_t now_ns; /* the clock as of the start of the turn */
    struct aio__backend *backend;
    struct aio__mailbox *mailbox;
    struct aio__context loop_context;
    struct aio__context scrap_context; /* where a task that ends is "saved" */
    struct aio__heap timers;
    struct aio__stack_pool stacks;
    uint64_t turns, polls, ops, instant_ops, switches, tasks_started;
    struct aio__deferred *deferred; /* newest first */
    struct aio__buffers buffers;
    struct aio__spare *spare_outboxes; /* see net/outbox.c */
    int64_t polled_ns;
    uint32_t task_limit;
    uint32_t ops_pending;
    uint32_t sends_pending; /* of these, of outboxes: the backend may tell of their ends late */
    uint32_t ops_unheeded;  /* of these, such as would wake nobody */
    void (*disarm)(struct aio__core *core); /* ends those; set by whoever begins them */
    uint32_t handles_open;
    uint32_t select_seed; /* where selects begin to look */
    struct aio_runtime *runtime;
    struct aio_task *tasks; /* all of them, finished and not joined ones included */
    struct aio_task *root;
    struct aio__wait *last_task; /* root, waiting for the others to end */
    struct aio__handle *handles;
    struct aio__pipe_pool pipes;
    bool held[AIO__HELD_COUNT];     /* signals, see core/held.h */
    struct aio__resolver *resolver; /* net/resolve.c's; NULL: no name has been looked up */
    void (*resolver_close)(struct aio__core *core);
    struct aio__offload *offload;
    struct aio__memory *memory;
    struct aio__mail *backlog; /* tasks from elsewhere that found no room yet, oldest first */
    struct aio__mail **backlog_end;
    struct aio_task *shutdown_task; /* what SIGINT and SIGTERM cancel */
    uint32_t signals_awaited;       /* waits for signals, which any process may send */
    struct aio__mail shutdown_mail;
    struct aio__cleanup shutdown_cleanup;
    struct aio__cleanup *cleanups; /* newest first */
    struct aio__timer stop_timer;
    struct aio__mail stop_mail;
    uint32_t index; /* of the runtime's cores */
    int deadlocks;  /* of the runtime, as far as this core has heard */
    atomic_bool shutdown_asked;
    atomic_bool stop_posted;
    atomic_bool refusing; /* the entry has returned: nothing is taken from other threads any more */
    bool ending;          /* no new tasks: those left are cancelled */
    bool stopping;        /* stop_timer says for how long the others may go on */
    bool finished;
    bool resting; /* a turn does not wait: the loop is somebody else's */
    bool dead_pending;
    struct aio__sanitize loop_sanitize;
    struct aio__sanitize dead_sanitize; /* of a task that freed itself, until it is left */
    struct aio__sanitize *left;         /* whose stack the last switch left; NULL: it ended */
    struct aio__explain explain;
};

extern __thread struct aio__core *aio__core_current __attribute__((tls_model("initial-exec")));

/* "" or, in a child of fork(2), that this is one: the end of a message. */
const char *aio__fork_hint(void);

/* The core of the calling task; dies when there is none. */
#define AIO__CORE_OR_DIE() aio__core_or_die(__func__)

_Noreturn void aio__core_die_outside(const char *function);

/* `what` ("this channel") belongs to that core, which need not be there any more. */
_Noreturn void aio__core_die_elsewhere(const struct aio__core *owner, const char *what,
                                       const char *function);

static inline struct aio__core *aio__core_or_die(const char *function)
{
    struct aio__core *core = aio__core_current;
    if (__builtin_expect(core == NULL || core->current == NULL, 0))
        aio__core_die_outside(function);
    return core;
}

/* Marks the deadline that is at fault and returns -ETIMEDOUT. */
int aio__deadline_hit(struct aio_task *task);

/* Moves a deadline that is set. A wait in progress notices a later time, and no earlier one. */
void aio__deadline_move(struct aio_deadline *deadline, int64_t at_ns);

/* What is pending for the calling task: 0, -ECANCELED or -ETIMEDOUT. A call that can suspend asks
 * first. */
static inline int aio__interrupted(struct aio__core *core)
{
    struct aio_task *task = core->current;
    if (__builtin_expect(task->canceled && task->shields == 0, 0))
        return -ECANCELED;
    if (__builtin_expect(task->deadline_ns <= core->now_ns, 0))
        return aio__deadline_hit(task);
    return 0;
}

/* In seat.c; on the core's thread. */
void aio__cleanup_add(struct aio__core *core, struct aio__cleanup *cleanup);
void aio__cleanup_remove(struct aio__core *core, struct aio__cleanup *cleanup);

/* Scheduling, in sched.c */
void aio__ready_push(struct aio__core *core, struct aio_task *task);
void aio__reschedule(struct aio__core *core);

/* Puts work off, if it is not put off already; and takes it back. */
static inline void aio__defer(struct aio__core *core, struct aio__deferred *deferred)
{
    if (deferred->listed)
        return;
    deferred->listed = true;
    deferred->next = core->deferred;
    core->deferred = deferred;
}

void aio__defer_not(struct aio__core *core, struct aio__deferred *deferred);

/* A sleep in progress, in the sleeper's frame. wait.what is set by the caller. */
struct aio__sleep {
    struct aio__timer timer;
    struct aio__wait wait;
};

/* Parks until the time at_ns or an interruption. Returns 0 or why it ended early. */
int aio__sleep_until(struct aio__core *core, struct aio__sleep *sleep, int64_t at_ns);

/* now + length, where both ends of the scale stand: what has passed already, and what never comes.
 */
int64_t aio__time_after(int64_t length_ns);

/* Charges an operation that completed without a wait; gives way when the task has had its share. */
static inline void aio__charge(struct aio__core *core)
{
    core->instant_ops++;
    core->slice--;
    if (__builtin_expect(--core->budget <= 0, 0))
        aio__reschedule(core);
}

/* The same of one that moved bytes; many of them count as many operations. */
static inline void aio__charge_bytes(struct aio__core *core, size_t bytes)
{
    int32_t more = (int32_t)(bytes / AIO__CHARGE_BYTES);
    core->slice -= more;
    core->budget -= more;
    aio__charge(core);
}

#endif
