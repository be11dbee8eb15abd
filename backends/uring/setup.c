/*
 * Opening and closing the ring: the features are probed at the real size, step by step down, and
 * each that is missing is told.
 */
#include "backends/uring/uring.h"

#include "backends/uring/private.h"
#include "core/alloc.h"
#include "core/sanitize.h"

#include <aio/error.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SETUP_CQ_FACTOR 8u
#define SETUP_ENTRIES_MIN 8u

/* What this backend cannot do without, and the kernel that brought it. */
struct setup_feature {
    uint32_t bit; /* or opcode */
    const char *text;
};

static const struct setup_feature setup_required[] = {
    {IORING_FEAT_NODROP, "IORING_FEAT_NODROP (Linux 5.5)"},
    {IORING_FEAT_SUBMIT_STABLE, "IORING_FEAT_SUBMIT_STABLE (Linux 5.5)"},
    {IORING_FEAT_FAST_POLL, "IORING_FEAT_FAST_POLL (Linux 5.7)"},
    {IORING_FEAT_EXT_ARG, "IORING_FEAT_EXT_ARG (Linux 5.11)"},
    {IORING_FEAT_NATIVE_WORKERS, "IORING_FEAT_NATIVE_WORKERS (Linux 5.12)"},
    {IORING_FEAT_RSRC_TAGS, "IORING_FEAT_RSRC_TAGS (Linux 5.13)"},
};

/*
 * Opcodes the rows need, and one that only tells a ring of 5.15 from earlier ones: Debian 11's 5.10
 * has the features of 5.15 as backports, but not its opcodes.
 */
static const struct setup_feature setup_required_ops[] = {
    {IORING_OP_NOP, "NOP (Linux 5.1)"},
    {IORING_OP_READV, "READV (Linux 5.1)"},
    {IORING_OP_WRITEV, "WRITEV (Linux 5.1)"},
    {IORING_OP_FSYNC, "FSYNC (Linux 5.1)"},
    {IORING_OP_POLL_ADD, "POLL_ADD (Linux 5.1)"},
    {IORING_OP_SENDMSG, "SENDMSG (Linux 5.3)"},
    {IORING_OP_RECVMSG, "RECVMSG (Linux 5.3)"},
    {IORING_OP_TIMEOUT, "TIMEOUT (Linux 5.4)"},
    {IORING_OP_ACCEPT, "ACCEPT (Linux 5.5)"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL (Linux 5.5)"},
    {IORING_OP_CONNECT, "CONNECT (Linux 5.5)"},
    {IORING_OP_READ, "READ (Linux 5.6)"},
    {IORING_OP_WRITE, "WRITE (Linux 5.6)"},
    {IORING_OP_SEND, "SEND (Linux 5.6)"},
    {IORING_OP_RECV, "RECV (Linux 5.6)"},
    {IORING_OP_OPENAT2, "OPENAT2 (Linux 5.6)"},
    {IORING_OP_LINKAT, "LINKAT (Linux 5.15)"},
};

/* Set-up flags in the order in which they are given up when the kernel says EINVAL. */
struct setup_step {
    uint32_t cap;
    uint32_t flag;
};

static const struct setup_step setup_steps[] = {
    {AIO__URING_DEFER_TASKRUN, IORING_SETUP_DEFER_TASKRUN},
    {AIO__URING_SINGLE_ISSUER, IORING_SETUP_SINGLE_ISSUER},
    {AIO__URING_TASKRUN_FLAG, IORING_SETUP_TASKRUN_FLAG},
    {AIO__URING_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN},
    {AIO__URING_SUBMIT_ALL, IORING_SETUP_SUBMIT_ALL},
    {AIO__URING_BIG_CQ, IORING_SETUP_CQSIZE},
};

#define SETUP_STEP_COUNT (sizeof setup_steps / sizeof setup_steps[0])

struct setup {
    struct uring *uring;
    struct aio__explain *explain;
    uint32_t wanted; /* capabilities not masked */
    uint32_t entries;
    uint32_t workers; /* the kernel's for this ring, at most */
    struct io_uring_params params;
};

/* Some flags need others. */
static uint32_t setup_consistent(uint32_t caps)
{
    if ((caps & AIO__URING_SINGLE_ISSUER) == 0)
        caps &= ~(uint32_t)AIO__URING_DEFER_TASKRUN;
    if ((caps & (AIO__URING_COOP_TASKRUN | AIO__URING_DEFER_TASKRUN)) == 0)
        caps &= ~(uint32_t)AIO__URING_TASKRUN_FLAG;
    return caps;
}

static int setup_try(struct setup *setup, uint32_t caps)
{
    setup->params = (struct io_uring_params){.flags = IORING_SETUP_CLAMP};
    for (size_t i = 0; i < SETUP_STEP_COUNT; i++)
        if ((caps & setup_steps[i].cap) != 0)
            setup->params.flags |= setup_steps[i].flag;
    if ((caps & AIO__URING_BIG_CQ) != 0)
        setup->params.cq_entries = setup->entries * SETUP_CQ_FACTOR;
    return io_uring_queue_init_params(setup->entries, &setup->uring->ring, &setup->params);
}

/* Down the ladder: a flag fewer on EINVAL, half the size on ENOMEM. */
static int setup_ladder(struct setup *setup)
{
    uint32_t caps = setup_consistent(setup->wanted);
    size_t step = 0;
    for (;;) {
        int rc = setup_try(setup, caps);
        if (rc == -EINVAL && step < SETUP_STEP_COUNT) {
            caps = setup_consistent(caps & ~setup_steps[step++].cap);
        } else if (rc == -ENOMEM && setup->entries > SETUP_ENTRIES_MIN) {
            setup->entries /= 2;
        } else {
            setup->uring->caps = caps;
            return rc;
        }
    }
}

/* Why a refusal may have come, as far as can be told. */
static void setup_explain_refusal(struct setup *setup, const char *call, int rc)
{
    const char *hint = "";
    char disabled[8] = "";
    FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
    if (file != NULL) {
        if (fgets(disabled, sizeof disabled, file) == NULL)
            disabled[0] = '\0';
        (void)fclose(file);
    }
    if (rc == -EPERM && disabled[0] != '\0' && disabled[0] != '0')
        hint = ": kernel.io_uring_disabled is set";
    else if (rc == -EPERM || rc == -EACCES)
        hint = ": a seccomp filter or security module forbids it, as container runtimes do";
    else if (rc == -ENOSYS)
        hint = ": the kernel was built without it, or a seccomp filter hides it";
    else if (rc == -ENOMEM)
        hint = ": too little memory, or RLIMIT_MEMLOCK is too low";
    aio__explain_add(setup->explain, "uring: %s: %s (%s)%s\n", call, aio_error_name(rc),
                     aio_error_text(rc), hint);
}

static int setup_check_features(struct setup *setup)
{
    for (size_t i = 0; i < sizeof setup_required / sizeof setup_required[0]; i++) {
        if ((setup->params.features & setup_required[i].bit) != 0)
            continue;
        aio__explain_add(setup->explain, "uring: this kernel lacks %s\n", setup_required[i].text);
        return -ENOSYS;
    }
    return 0;
}

/* The limit on workers came with Linux 5.15, the first release whose ring this backend trusts. */
static int setup_check_floor(struct setup *setup)
{
    unsigned workers[2] = {setup->workers, setup->workers}; /* zeros change nothing */
    int rc = io_uring_register_iowq_max_workers(&setup->uring->ring, workers);
    if (rc == -EINVAL) {
        aio__explain_add(
            setup->explain,
            "uring: this kernel lacks IORING_REGISTER_IOWQ_MAX_WORKERS (Linux 5.15)\n");
        return -ENOSYS;
    }
    if (rc < 0)
        setup_explain_refusal(setup, "io_uring_register", rc);
    return rc;
}

static int setup_check_ops(struct setup *setup)
{
    struct {
        struct io_uring_probe head;
        struct io_uring_probe_op ops[256];
    } probe = {0};
    int rc = io_uring_register_probe(&setup->uring->ring, &probe.head, 256);
    if (rc < 0) {
        setup_explain_refusal(setup, "io_uring_register", rc);
        return rc;
    }
    for (size_t i = 0; i < sizeof setup_required_ops / sizeof setup_required_ops[0]; i++) {
        if (io_uring_opcode_supported(&probe.head, (int)setup_required_ops[i].bit))
            continue;
        aio__explain_add(setup->explain, "uring: this kernel lacks IORING_OP_%s\n",
                         setup_required_ops[i].text);
        return -ENOSYS;
    }
    if (io_uring_opcode_supported(&probe.head, IORING_OP_SEND_ZC))
        setup->uring->caps |= setup->wanted & AIO__URING_SEND_ZC;
    else
        setup->uring->caps &= ~(uint32_t)AIO__URING_SEND_ZC;
    /* Multishot accept is not probed for by itself; it came in the release of this opcode, 5.19. */
    if (io_uring_opcode_supported(&probe.head, IORING_OP_SOCKET))
        setup->uring->caps |= setup->wanted & AIO__URING_MULTISHOT_ACCEPT;
    else
        setup->uring->caps &= ~(uint32_t)AIO__URING_MULTISHOT_ACCEPT;
    /* Nor are these; they came in the release of that one, 6.0. */
    uint32_t of_6_0 = AIO__URING_MULTISHOT_RECV | AIO__URING_QUIET_SEND;
    setup->uring->caps &= ~of_6_0;
    if (io_uring_opcode_supported(&probe.head, IORING_OP_SEND_ZC))
        setup->uring->caps |= setup->wanted & of_6_0;
    return 0;
}

static void setup_enter_flags(struct setup *setup)
{
    struct uring *uring = setup->uring;
    uint32_t optional =
        AIO__URING_RING_FD | AIO__URING_NO_IOWAIT | AIO__URING_MIN_WAIT | AIO__URING_MSG_RING_WAKE;
    uring->caps &= ~optional; /* inline_send needs nothing of the kernel */
    if ((setup->wanted & AIO__URING_RING_FD) != 0 && io_uring_register_ring_fd(&uring->ring) == 1) {
        uring->caps |= AIO__URING_RING_FD;
        uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
    }
    /* Without the second, completions that come after the moment may wake nobody. */
    if ((setup->params.features & IORING_FEAT_MIN_TIMEOUT) != 0 &&
        (setup->params.flags & IORING_SETUP_DEFER_TASKRUN) != 0)
        uring->caps |= setup->wanted & AIO__URING_MIN_WAIT;
    if ((setup->wanted & AIO__URING_MSG_RING_WAKE) != 0 && aio__uring_wake_probe(uring))
        uring->caps |= AIO__URING_MSG_RING_WAKE;
    if ((setup->wanted & AIO__URING_NO_IOWAIT) != 0 &&
        (setup->params.features & IORING_FEAT_NO_IOWAIT) != 0) {
        uring->caps |= AIO__URING_NO_IOWAIT;
        uring->enter_flags |= IORING_ENTER_NO_IOWAIT;
    }
}

static void setup_explain_list(struct setup *setup, const char *head, uint32_t mask)
{
    aio__explain_add(setup->explain, "uring: %s:", head);
    for (const struct aio__cap *cap = aio__uring_cap_table; cap->name != NULL; cap++)
        if ((mask & cap->bit) != 0)
            aio__explain_add(setup->explain, " %s", cap->name);
    aio__explain_add(setup->explain, mask == 0 ? " none\n" : "\n");
}

static void setup_explain(struct setup *setup)
{
    uint32_t used = setup->uring->caps;
    uint32_t all = aio__caps_parse("all", aio__uring_cap_table);
    aio__explain_add(setup->explain, "uring: ring of %u submissions, %u completions\n",
                     setup->params.sq_entries, setup->params.cq_entries);
    setup_explain_list(setup, "features used", used);
    if ((all & ~setup->wanted) != 0)
        setup_explain_list(setup, "masked", all & ~setup->wanted);
    if ((setup->wanted & ~used) != 0)
        setup_explain_list(setup, "not in this kernel", setup->wanted & ~used);
    aio__explain_add(
        setup->explain,
        "uring: on the ring: all operations, of files open, read, write and sync; inline: forget, "
        "batches, splice%s\n",
        (used & AIO__URING_INLINE_SEND) != 0 ? ", and send while there is nothing to batch" : "");
}

static int setup_wake(struct setup *setup)
{
    setup->uring->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (setup->uring->wake_fd >= 0)
        return 0;
    int rc = -errno;
    setup_explain_refusal(setup, "eventfd", rc);
    return rc;
}

/* Stands for the memory of all rings, which liburing maps and unmaps. */
static char setup_memory;

static int setup_ring(struct setup *setup)
{
    int rc = setup_ladder(setup);
    aio__sanitize_mapped(&setup_memory);
    if (rc < 0) {
        setup_explain_refusal(setup, "io_uring_setup", rc);
        return rc;
    }
    rc = setup_check_features(setup);
    if (rc == 0)
        rc = setup_check_floor(setup);
    if (rc == 0)
        rc = setup_check_ops(setup);
    if (rc < 0) {
        io_uring_queue_exit(&setup->uring->ring);
        return rc;
    }
    /* A child of fork(2) must not share the ring's memory. */
    (void)io_uring_ring_dontfork(&setup->uring->ring);
    setup_enter_flags(setup);
    return 0;
}

static void setup_close(struct aio__backend *self)
{
    struct uring *uring = aio__uring_of(self);
    aio__uring_wake_close(uring);
    aio__sanitize_unmapped(&setup_memory);
    io_uring_queue_exit(&uring->ring);
    aio__uring_rent_close(uring);
    (void)close(uring->wake_fd);
    if (uring->watch_fd >= 0)
        (void)close(uring->watch_fd);
    aio__free(uring);
}

static const struct aio__backend_vtable setup_vtable = {
    .name = "uring",
    .close = setup_close,
    .submit = aio__uring_submit,
    .cancel = aio__uring_cancel,
    .poll = aio__uring_poll,
    .wakeup = aio__uring_wakeup,
    .watch = aio__uring_watch,
};

int aio__uring_open(struct aio__backend **out, const struct aio__backend_params *params)
{
    struct uring *uring = aio__alloc_zero(sizeof *uring);
    if (uring == NULL)
        return -ENOMEM;
    struct setup setup = {
        .uring = uring,
        .explain = params->explain,
        .wanted = aio__caps_parse(params->caps, aio__uring_cap_table),
        .entries = params->ring_entries,
        .workers = params->ring_workers,
    };
    uring->base.vtable = &setup_vtable;
    uring->base.batches = true;
    uring->batch = 1;
    uring->rent.pool = params->buffers;
    uring->watch_fd = -1;
    int rc = setup_wake(&setup);
    if (rc == 0)
        rc = setup_ring(&setup);
    if (rc < 0) {
        if (uring->wake_fd >= 0)
            (void)close(uring->wake_fd);
        aio__free(uring);
        return rc;
    }
    setup_explain(&setup);
    *out = &uring->base;
    return 0;
}
