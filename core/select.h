/*
 * How an object takes part in waits that have alternatives.
 *
 * A party is whoever stands in an object's queue: a task that waits for the object alone, or a
 * case of a select. An object serves both alike: it takes the first party that can still be
 * claimed, does what the party came for, and finishes it.
 *
 * A select claims itself once: the first claim is the case whose effect happens. Its other
 * entries stay in their queues until its task runs, and whoever finds one of them there fails to
 * claim it and passes on. All of it happens on one core, so a claim is a pointer that is set.
 *
 * Only cases of channels between cores (shared.h) may be claimed from another thread. A select
 * with such a case is `shared`: it is decided under its lock, and whoever decides it tells its
 * sleeper (sleeper.h), for which its task waits. The lock can be held while it is tried whether the
 * channel has what the case wants, which a compare-and-swap of the pointer could not. The frame is
 * left when the sleeper has been told and the entries are out of their queues, for which delist
 * takes each channel's lock; so nobody has anything of it in hand then.
 *
 * A kind of case is three functions and one more. try: does it without waiting, if that is
 * possible. enlist: lets the object know of the entry. delist: undoes that, if the object has not
 * done so itself; called once the select is decided, whatever the decision. commit, if not NULL:
 * what the chosen entry's own task has to do at the end.
 */
#ifndef AIO_CORE_SELECT_H
#define AIO_CORE_SELECT_H

#include "core/handle.h"
#include "core/sleeper.h"
#include "core/task.h"

#include <aio/select.h>
#include <pthread.h>

struct aio__party {
    struct aio__wait wait;         /* first member; without a task: of an entry of a select */
    void *item;                    /* where the item comes from, or goes to */
    void *object;                  /* the object's own */
    struct aio__wait_queue *queue; /* that it stands in; NULL: taken from it */
};

struct aio__intake;
struct aio__select;
struct aio__select_entry;

/* The same for channels between cores; under the channel's lock. */
struct aio__shared_waiter {
    struct aio__wait link;
    void *item;
    int *result;
    struct aio__sleeper *sleeper;
    struct aio__select *select; /* NULL: stands for itself alone */
    uint8_t side;
    bool queued;
};

struct aio__select_kind {
    bool (*try)(struct aio__core *core, struct aio_select_case *of); /* sets result */
    void (*enlist)(struct aio__core *core, struct aio__select_entry *entry);
    void (*delist)(struct aio__core *core, struct aio__select_entry *entry);
    void (*commit)(struct aio__core *core, struct aio__select_entry *entry);
};

/* A select that waits, in its task's frame. */
struct aio__select {
    struct aio__sleeper sleeper;
    struct aio__wait *settling;       /* the wait for the last of ops */
    struct aio__select_entry *winner; /* NULL: undecided */
    uint32_t ops;                     /* of readiness cases, in flight */
    bool shared;                      /* other threads may decide it: under the lock */
    pthread_mutex_t lock;
    struct aio__timer timer; /* of the case that is nearest in time */
    struct aio__select_entry *timed;
};

/* A case of a select that waits. */
struct aio__select_entry {
    struct aio_select_case *of;
    struct aio__select *select;
    union {
        struct aio__party party;
        struct aio__shared_waiter shared;
        struct {
            struct aio__watch watch;
            struct aio__intake *intake; /* of net/, watched instead of an op; or NULL */
            struct aio__op op;
        } ready;
    };
};

static inline struct aio__select_entry *aio__select_entry_of(struct aio__wait *wait)
{
    return AIO__CONTAINER(wait, struct aio__select_entry, party.wait);
}

/* Lets other threads decide the select, before they see an entry of it. */
void aio__select_share(struct aio__core *core, struct aio__select *select);

/* With a shared one: takes its lock, so that it stays as it is. Returns whether it is undecided. */
bool aio__select_hold(struct aio__select *select);
void aio__select_let(struct aio__select *select);

/* The slow half of aio__select_decide: the select is shared. */
bool aio__select_decide_held(struct aio__select *select, struct aio__select_entry *winner);

/* Decides the select. Returns false when it is decided already. */
static inline bool aio__select_decide(struct aio__select *select, struct aio__select_entry *winner)
{
    if (__builtin_expect(select->shared, 0))
        return aio__select_decide_held(select, winner);
    if (select->winner != NULL)
        return false;
    select->winner = winner;
    return true;
}

/* The same in favour of this entry, which the caller then finishes. */
static inline bool aio__select_claim(struct aio__select_entry *entry)
{
    return aio__select_decide(entry->select, entry);
}

/* Wakes the select that this entry has claimed. */
void aio__select_finish(struct aio__select_entry *entry, int result);

/* Ends an op of a readiness case. The select's task does not go on before. */
void aio__select_op_done(struct aio__select *select);

/* The same for a wait that may be an entry's, or a task's that waits for nothing else. */
static inline bool aio__wait_claim(struct aio__wait *wait)
{
    return __builtin_expect(wait->task != NULL, 1) || aio__select_claim(aio__select_entry_of(wait));
}

/* Whether it is an entry of a select that something else has decided: it waits no more, and only
 * has not been taken out yet. */
bool aio__wait_stale(struct aio__wait *wait);

/* Such an entry of a case that joins: its task may be gone before the select looks at it again. */
static inline void aio__select_put_out(struct aio__wait *wait)
{
    aio__select_entry_of(wait)->party.object = NULL;
}

static inline void aio__wait_finish(struct aio__wait *wait, int result)
{
    if (__builtin_expect(wait->task != NULL, 1))
        aio__wake(wait, result);
    else
        aio__select_finish(aio__select_entry_of(wait), result);
}

/* The slow half of aio__party_take: the first one is an entry of a select. */
struct aio__party *aio__party_dequeue(struct aio__wait_queue *queue);

/* Takes the first party that can be claimed, claimed, from the queue; NULL when there is none. The
 * caller finishes it. */
static inline struct aio__party *aio__party_take(struct aio__wait_queue *queue)
{
    struct aio__wait *first = queue->head;
    if (first == NULL)
        return NULL;
    if (__builtin_expect(first->task == NULL, 0))
        return aio__party_dequeue(queue);
    queue->head = first->next;
    if (first->next == NULL)
        queue->tail = NULL;
    else
        first->next->prev = NULL;
    struct aio__party *party = (struct aio__party *)first;
    party->queue = NULL;
    return party;
}

static inline void aio__party_finish(struct aio__party *party, int result)
{
    aio__wait_finish(&party->wait, result);
}

/* Puts a party into a queue: of the calling task, or, for an entry, of a select. */
void aio__party_enlist(struct aio__party *party, struct aio__wait_queue *queue);
void aio__party_leave(struct aio__party *party);

/* The calling task waits in the queue; item and object as in struct aio__party. Returns what the
 * party was finished with, or why it was not. */
int aio__party_wait(struct aio__core *core, struct aio__wait_queue *queue, void *item, void *object,
                    const char *what);

/* The task of a party, for messages about misuse. */
const struct aio_task *aio__party_task(struct aio__party *party);

/* enlist and delist of the kinds whose entry stands in a queue. */
void aio__select_queue(struct aio__select_entry *entry, struct aio__wait_queue *queue);
void aio__select_unqueue(struct aio__core *core, struct aio__select_entry *entry);

#endif
