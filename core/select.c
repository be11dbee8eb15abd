/*
 * Select: trying, waiting for the first case that can happen; and the queues that parties stand
 * in. See select.h.
 */
#include "core/select.h"

/* Entries that stand in the frame of a small select; a large one has a larger frame. */
#define SELECT_FEW 8

void aio__party_enlist(struct aio__party *party, struct aio__wait_queue *queue)
{
    party->queue = queue;
    aio__wait_enqueue(queue, &party->wait);
}

void aio__party_leave(struct aio__party *party)
{
    if (party->queue != NULL)
        aio__wait_unlink(party->queue, &party->wait);
    party->queue = NULL;
}

struct aio__party *aio__party_dequeue(struct aio__wait_queue *queue)
{
    struct aio__wait *wait;
    while ((wait = aio__wait_dequeue(queue)) != NULL) {
        struct aio__party *party = AIO__CONTAINER(wait, struct aio__party, wait);
        party->queue = NULL;
        if (aio__wait_claim(wait))
            return party;
    }
    return NULL;
}

static void party_abort(struct aio__wait *wait)
{
    aio__party_leave(AIO__CONTAINER(wait, struct aio__party, wait));
    aio__wake(wait, -ECANCELED);
}

int aio__party_wait(struct aio__core *core, struct aio__wait_queue *queue, void *item, void *object,
                    const char *what)
{
    struct aio__party party; /* park fills in what is missing here */
    party.item = item;
    party.object = object;
    party.wait.abort = party_abort;
    party.wait.what = what;
    aio__party_enlist(&party, queue);
    int rc = aio__park(core, &party.wait);
    return __builtin_expect(party.wait.interrupted != 0, 0) ? aio__wait_reason(&party.wait) : rc;
}

const struct aio_task *aio__party_task(struct aio__party *party)
{
    if (party->wait.task != NULL)
        return party->wait.task;
    return aio__select_entry_of(&party->wait)->select->sleeper.wait.task;
}

void aio__select_queue(struct aio__select_entry *entry, struct aio__wait_queue *queue)
{
    entry->party.wait.task = NULL;
    entry->party.item = entry->of->item;
    entry->party.object = entry->of->object;
    aio__party_enlist(&entry->party, queue);
}

void aio__select_unqueue(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    aio__party_leave(&entry->party);
}

void aio__select_share(struct aio__core *core, struct aio__select *select)
{
    if (select->shared)
        return;
    select->shared = true;
    pthread_mutex_init(&select->lock, NULL);
    select->sleeper.core = core;
    select->sleeper.mail.deliver = aio__sleeper_deliver;
}

bool aio__select_hold(struct aio__select *select)
{
    pthread_mutex_lock(&select->lock);
    return select->winner == NULL;
}

void aio__select_let(struct aio__select *select)
{
    pthread_mutex_unlock(&select->lock);
}

bool aio__select_decide_held(struct aio__select *select, struct aio__select_entry *winner)
{
    bool open = aio__select_hold(select);
    if (open)
        select->winner = winner;
    aio__select_let(select);
    return open;
}

bool aio__wait_stale(struct aio__wait *wait)
{
    if (wait->task != NULL)
        return false;
    const struct aio__select_entry *entry = aio__select_entry_of(wait);
    struct aio__select *select = entry->select;
    if (select->shared)
        (void)aio__select_hold(select);
    bool stale = select->winner != NULL && select->winner != entry;
    if (select->shared)
        aio__select_let(select);
    return stale;
}

/* It may be running still, with a readiness op that completed at once. */
void aio__select_finish(struct aio__select_entry *entry, int result)
{
    struct aio__select *select = entry->select;
    struct aio__wait *wait = &select->sleeper.wait;
    entry->of->result = result;
    if (select->shared)
        aio__sleeper_tell(&select->sleeper);
    else if (wait->task != NULL && wait->task->wait == wait)
        aio__wake(wait, 0);
}

void aio__select_op_done(struct aio__select *select)
{
    if (--select->ops == 0 && select->settling != NULL)
        aio__wake(select->settling, 0);
}

/* Nothing may happen from now on, so an interruption decides the select as well, for nobody. If
 * another thread was faster its mail is on the way. */
static struct aio__select_entry select_nobody;

static void select_abort(struct aio__wait *wait)
{
    struct aio__select *select = AIO__CONTAINER(wait, struct aio__select, sleeper.wait);
    if (aio__select_decide(select, &select_nobody))
        aio__wake(wait, -ECANCELED);
}

/* Whether the search for a case goes on: in a shared select the winner is another thread's to set,
 * and the task may go on only when it has been told. */
static bool select_open(struct aio__select *select)
{
    if (select->shared)
        return !aio__sleeper_told(&select->sleeper);
    return select->winner == NULL;
}

static bool select_doze(struct aio__select *select)
{
    if (select->shared)
        return aio__sleeper_doze(&select->sleeper);
    return select->winner == NULL;
}

/* Lists the cases until one of them turns out to be through, as a readiness op may. Returns how
 * many. */
static size_t select_enlist(struct aio__core *core, struct aio__select *select,
                            struct aio__select_entry *entries, struct aio_select_case *cases,
                            size_t count)
{
    size_t listed = 0;
    for (size_t i = 0; i < count && select_open(select); i++) {
        const struct aio__select_kind *kind = cases[i].kind;
        if (kind == NULL)
            continue;
        struct aio__select_entry *entry = &entries[listed++];
        entry->of = &cases[i];
        entry->select = select;
        kind->enlist(core, entry);
    }
    return listed;
}

static void select_delist(struct aio__core *core, struct aio__select *select,
                          struct aio__select_entry *entries, size_t listed)
{
    for (size_t i = 0; i < listed; i++) {
        const struct aio__select_kind *kind = entries[i].of->kind;
        kind->delist(core, &entries[i]);
    }
    aio__heap_disarm(&core->timers, &select->timer);
    while (select->ops > 0) {
        struct aio__wait settling = {.abort = NULL, .what = "select"};
        select->settling = &settling;
        (void)aio__park(core, &settling);
    }
}

static inline __attribute__((always_inline)) int select_park(struct aio__core *core,
                                                             struct aio__select_entry *entries,
                                                             struct aio_select_case *cases,
                                                             size_t count)
{
    struct aio__select select = {.sleeper.wait = {.abort = select_abort, .what = "select"}};
    size_t listed = select_enlist(core, &select, entries, cases, count);
    if (select_doze(&select))
        (void)aio__park(core, &select.sleeper.wait);
    select_delist(core, &select, entries, listed);
    if (select.shared)
        pthread_mutex_destroy(&select.lock);
    if (select.winner == &select_nobody)
        return aio__wait_reason(&select.sleeper.wait);
    const struct aio__select_kind *kind = select.winner->of->kind;
    if (kind->commit != NULL)
        kind->commit(core, select.winner);
    return (int)(select.winner->of - cases);
}

static __attribute__((noinline)) int select_park_few(struct aio__core *core,
                                                     struct aio_select_case *cases, size_t count)
{
    struct aio__select_entry entries[SELECT_FEW];
    return select_park(core, entries, cases, count);
}

static __attribute__((noinline)) int select_park_many(struct aio__core *core,
                                                      struct aio_select_case *cases, size_t count)
{
    struct aio__select_entry entries[AIO_SELECT_CASES];
    return select_park(core, entries, cases, count);
}

/* A case to begin with, at random: a linear congruential step, whose high bits are scaled. */
static size_t select_start(struct aio__core *core, size_t count)
{
    core->select_seed = core->select_seed * 1664525u + 1013904223u;
    return (size_t)((uint64_t)core->select_seed * count >> 32);
}

static int select_scan(struct aio__core *core, struct aio_select_case *cases, size_t count)
{
    size_t at = select_start(core, count);
    for (size_t left = count; left > 0; left--) {
        const struct aio__select_kind *kind = cases[at].kind;
        if (kind != NULL && kind->try(core, &cases[at]))
            return (int)at;
        at = at + 1 < count ? at + 1 : 0;
    }
    return -EAGAIN;
}

int aio_select_try(struct aio_select_case *cases, size_t count)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (count == 0 || count > AIO_SELECT_CASES)
        return -EINVAL;
    return select_scan(core, cases, count);
}

int aio_select_wait(struct aio_select_case *cases, size_t count)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (count == 0 || count > AIO_SELECT_CASES)
        return -EINVAL;
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = select_scan(core, cases, count);
    if (rc >= 0)
        aio__charge(core);
    else if (count <= SELECT_FEW)
        rc = select_park_few(core, cases, count);
    else
        rc = select_park_many(core, cases, count);
    return rc;
}
