/*
 * Subscriptions to signals.
 *
 * The handler walks the process's list of subscriptions without a lock, notes the signal in those
 * that listed it, and posts one mail to the core of each, which then serves the tasks that wait.
 * signalfd(2) would need the signals blocked in every thread of the process, and the program's
 * threads are not ours; its readers would also take signals from one another.
 *
 * None is lost. At the opening the subscription is listed before the handler is there; at the
 * close it is unlisted after the former disposition is back, and what it was told in between is
 * sent again. A handler that finds nobody was called before that and comes late: it sends its
 * signal again too, and as the order above holds on every thread, not for ever.
 *
 * A mail is on its way whenever something was noted after it was last looked for: handlers note,
 * then set `posted`; deliver clears it, then looks.
 */
#include "core/ring.h"
#include "core/runtime.h"
#include "core/select.h"
#include "os/disposition.h"
#include "os/signal_ear.h"

#include <aio/signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Deliveries of one number that have coalesced. */
struct signal_slot {
    _Atomic(uint64_t) count;
    _Atomic(uint64_t) sender; /* of the latest: its pid, below its uid */
    _Atomic(void *) value;
    atomic_int code;
};

struct aio_signal {
    struct aio__cleanup cleanup;
    struct aio__core *core;
    uint64_t set;
    _Atomic(struct aio_signal *) next;
    struct aio__mail mail;
    atomic_bool posted; /* the mail is on its way */
    bool closed;        /* only the mail's delivery is awaited */
    bool staged;        /* next_report is the next one */
    int last;           /* reported from a slot */
    struct aio_signal_info next_report;
    struct aio__wait_queue waiters;
    struct signal_slot slots[AIO__SIGNALS];
    struct aio__ring queue; /* of real-time signals; last: its slots follow */
};

static _Atomic(struct aio_signal *) signal_list; /* changed under the dispositions' lock */

static bool signal_real_time(int number)
{
    return number >= SIGRTMIN;
}

/* Whether the fields of the sender mean something: the kernel's own signals have others there. */
static bool signal_has_sender(const siginfo_t *info)
{
    return info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL ||
           info->si_code == SI_MESGQ || info->si_signo == SIGCHLD;
}

static struct aio_signal_info signal_read(int number, const siginfo_t *info)
{
    struct aio_signal_info report = {.number = number, .code = info->si_code, .count = 1};
    if (signal_has_sender(info)) {
        report.pid = info->si_pid;
        report.uid = info->si_uid;
    }
    if (info->si_code == SI_QUEUE || info->si_code == SI_TIMER || info->si_code == SI_MESGQ)
        report.value.pointer = info->si_value.sival_ptr;
    return report;
}

/* Sends signals on to the process, as if they came now; by kill(2) where the kernel does not let us
 * say from whom they are. */
static void signal_resend(const struct aio_signal_info *report)
{
    siginfo_t info = {.si_signo = report->number, .si_code = report->code};
    info.si_pid = report->pid;
    info.si_uid = report->uid;
    info.si_value.sival_ptr = report->value.pointer;
    for (uint64_t i = 0; i < report->count; i++)
        if (report->pid == 0 || syscall(SYS_rt_sigqueueinfo, getpid(), report->number, &info) < 0)
            (void)kill(getpid(), report->number);
}

static void signal_coalesce(struct signal_slot *slot, const struct aio_signal_info *report)
{
    atomic_store(&slot->sender, (uint64_t)report->uid << 32 | (uint32_t)report->pid);
    atomic_store(&slot->value, report->value.pointer);
    atomic_store(&slot->code, report->code);
    atomic_fetch_add(&slot->count, 1);
}

/* In a handler. Those that did not fit into the queue are ahead of any that would again. */
static void signal_tell(struct aio_signal *signal, const struct aio_signal_info *report)
{
    struct signal_slot *slot = &signal->slots[report->number - 1];
    bool queued = signal_real_time(report->number) && atomic_load(&slot->count) == 0 &&
                  aio__ring_push(&signal->queue, report) == 0;
    if (!queued)
        signal_coalesce(slot, report);
    if (!atomic_exchange(&signal->posted, true) &&
        !aio__mailbox_post(signal->core->mailbox, &signal->mail))
        atomic_store(&signal->posted, false); /* the core ends */
}

static void signal_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    bool heard = false;
    struct aio_signal_info report = signal_read(number, info);
    unsigned phase = aio__handler_enter();
    for (struct aio_signal *signal = signal_list; signal != NULL; signal = signal->next) {
        if ((signal->set & aio__signal_bit(number)) == 0)
            continue;
        signal_tell(signal, &report);
        heard = true;
    }
    if (!heard)
        signal_resend(&report);
    aio__handler_leave(phase);
    errno = saved;
}

/* Takes what has coalesced of one number. Returns whether there was anything. */
static bool signal_fetch_slot(struct aio_signal *signal, int number, struct aio_signal_info *report)
{
    struct signal_slot *slot = &signal->slots[number - 1];
    if (atomic_load(&slot->count) == 0)
        return false;
    uint64_t count = atomic_exchange(&slot->count, 0); /* nobody else takes */
    uint64_t sender = atomic_load(&slot->sender);
    *report = (struct aio_signal_info){
        .number = number,
        .code = atomic_load(&slot->code),
        .count = count,
        .pid = (pid_t)(uint32_t)sender,
        .uid = (uid_t)(sender >> 32),
        .value = {.pointer = atomic_load(&slot->value)},
    };
    signal->last = number;
    return true;
}

/* The numbers take turns. */
static bool signal_fetch(struct aio_signal *signal, struct aio_signal_info *report)
{
    if (signal->queue.capacity > 0 && aio__ring_pop(&signal->queue, report) > 0)
        return true;
    for (int i = 0; i < AIO__SIGNALS; i++) {
        int number = (signal->last + i) % AIO__SIGNALS + 1;
        if ((signal->set & aio__signal_bit(number)) != 0 &&
            signal_fetch_slot(signal, number, report))
            return true;
    }
    return false;
}

/* Makes sure that there is a next report, if that is possible. */
static bool signal_stage(struct aio_signal *signal)
{
    if (!signal->staged)
        signal->staged = signal_fetch(signal, &signal->next_report);
    return signal->staged;
}

/* Without waiting, and not before those who wait already. */
static bool signal_take(struct aio_signal *signal, struct aio_signal_info *report)
{
    if (signal->waiters.head != NULL || !signal_stage(signal))
        return false;
    *report = signal->next_report;
    signal->staged = false;
    return true;
}

static void signal_serve(struct aio_signal *signal)
{
    struct aio__party *party;
    while (signal->waiters.head != NULL && signal_stage(signal) &&
           (party = aio__party_take(&signal->waiters)) != NULL) {
        *(struct aio_signal_info *)party->item = signal->next_report;
        signal->staged = false;
        aio__party_finish(party, 0);
    }
}

static void signal_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    struct aio_signal *signal = AIO__CONTAINER(mail, struct aio_signal, mail);
    if (signal->closed) {
        aio__free(signal);
        return;
    }
    atomic_store(&signal->posted, false);
    signal_serve(signal);
}

/* Sends what has come again where the former disposition is back. Returns how many others came. */
static uint64_t signal_give_back(struct aio_signal *signal, uint64_t free)
{
    struct aio_signal_info report;
    uint64_t others = 0;
    while (signal_fetch(signal, &report))
        if ((free & aio__signal_bit(report.number)) != 0)
            signal_resend(&report);
        else
            others += report.count; /* who has the signal still, or again, has heard of them */
    return others;
}

static int signal_list_enter(struct aio_signal *signal)
{
    uint64_t free = 0;
    aio__disposition_lock();
    atomic_store(&signal->next, signal_list);
    atomic_store(&signal_list, signal);
    int rc = aio__disposition_take(signal->set, signal_handler);
    if (rc == 0 && (rc = aio__ear_open(signal->set)) < 0)
        free = aio__disposition_give(signal->set);
    if (rc < 0) {
        atomic_store(&signal_list, signal->next);
        aio__handler_await(); /* of other subscriptions' signals, which saw it */
    }
    aio__disposition_unlock();
    if (rc < 0)
        (void)signal_give_back(signal, free);
    return rc;
}

/* Returns the signals that have their former disposition again. */
static uint64_t signal_list_leave(struct aio_signal *signal)
{
    aio__disposition_lock();
    aio__ear_close(signal->set);
    uint64_t free = aio__disposition_give(signal->set);
    _Atomic(struct aio_signal *) *at = &signal_list;
    while (atomic_load(at) != signal)
        at = &atomic_load(at)->next;
    atomic_store(at, signal->next);
    aio__handler_await();
    aio__disposition_unlock();
    return free;
}

void aio__signal_forked(void)
{
    atomic_store(&signal_list, NULL);
    aio__ear_forked();
}

/* Nobody tells it anything afterwards. Returns how many signals nobody fetched. */
static uint64_t signal_end(struct aio_signal *signal)
{
    struct aio__party *party;
    struct aio_signal_info report;
    uint64_t unheard = signal->staged ? signal->next_report.count : 0;
    while ((party = aio__party_take(&signal->waiters)) != NULL)
        aio__party_finish(party, -EBADF);
    while (signal_fetch(signal, &report))
        unheard += report.count;
    uint64_t free = signal_list_leave(signal);
    return unheard + signal_give_back(signal, free);
}

static void signal_free(struct aio_signal *signal)
{
    if (signal->posted)
        signal->closed = true;
    else
        aio__free(signal);
}

/* The core ends, and its mailbox is closed. */
static void signal_cleanup(struct aio__core *core, struct aio__cleanup *cleanup)
{
    (void)core;
    struct aio_signal *signal = AIO__CONTAINER(cleanup, struct aio_signal, cleanup);
    (void)signal_end(signal);
    aio__free(signal);
}

/* Returns 0 and whether one is a real-time signal; or -EINVAL. */
static int signal_gather(const int *numbers, size_t count, uint64_t *set, bool *real_time)
{
    *set = 0;
    *real_time = false;
    for (size_t i = 0; i < count; i++) {
        if (!aio__disposition_allowed(numbers[i]))
            return -EINVAL;
        *set |= aio__signal_bit(numbers[i]);
        *real_time = *real_time || signal_real_time(numbers[i]);
    }
    return *set == 0 ? -EINVAL : 0;
}

int aio_signal_open(struct aio_signal **out, const int *numbers, size_t count)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    uint64_t set;
    bool real_time;
    int rc = signal_gather(numbers, count, &set, &real_time);
    if (rc < 0)
        return rc;
    size_t capacity = real_time ? AIO_SIGNAL_QUEUE : 0;
    struct aio_signal *signal = aio__alloc_zero(
        sizeof *signal + capacity * aio__ring_slot_bytes(sizeof(struct aio_signal_info)));
    if (signal == NULL)
        return -ENOMEM;
    signal->cleanup.run = signal_cleanup;
    signal->core = core;
    signal->set = set;
    signal->mail.deliver = signal_deliver;
    aio__ring_open(&signal->queue, (char *)(signal + 1), capacity, sizeof(struct aio_signal_info));
    rc = signal_list_enter(signal);
    if (rc < 0) {
        signal_free(signal);
        return rc;
    }
    aio__cleanup_add(core, &signal->cleanup);
    *out = signal;
    return 0;
}

static struct aio__core *signal_core(const struct aio_signal *signal, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    if (signal->core != core)
        aio__core_die_elsewhere(signal->core, "this subscription to signals", function);
    return core;
}

uint64_t aio_signal_close(struct aio_signal *signal)
{
    if (signal == NULL)
        return 0;
    struct aio__core *core = signal_core(signal, __func__);
    aio__cleanup_remove(core, &signal->cleanup);
    uint64_t unheard = signal_end(signal);
    signal_free(signal);
    return unheard;
}

int aio_signal_wait(struct aio_signal *signal, struct aio_signal_info *info)
{
    struct aio__core *core = signal_core(signal, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (signal_take(signal, info)) {
        aio__charge(core);
        return 0;
    }
    core->signals_awaited++;
    rc = aio__party_wait(core, &signal->waiters, info, NULL, "signal");
    core->signals_awaited--;
    return rc;
}

static bool signal_case_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    struct aio_signal *signal = of->object;
    (void)signal_core(signal, "aio_select_signal");
    of->result = 0;
    return signal_take(signal, of->item);
}

static void signal_case_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    struct aio_signal *signal = entry->of->object;
    core->signals_awaited++;
    aio__select_queue(entry, &signal->waiters);
}

static void signal_case_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    core->signals_awaited--;
    aio__select_unqueue(core, entry);
}

struct aio_select_case aio_select_signal(struct aio_signal *signal, struct aio_signal_info *info)
{
    static const struct aio__select_kind kind = {signal_case_try, signal_case_enlist,
                                                 signal_case_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = signal, .item = info};
}
