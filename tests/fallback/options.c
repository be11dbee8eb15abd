/*
 * Options and variables of the environment: names that exist, names that do not, and what is said
 * about them.
 */
#define SUITE "options"
#include "tests/fallback/child.h"

#include "backends/caps.h"

static struct outcome with_variable(const char *name, const char *value)
{
    struct child child = {.environment = {name, value}};
    return child_run(&child);
}

/* Refused with -EINVAL and a sentence that has these words. */
static void refused(const struct outcome *outcome, const char *value, const char *const *words)
{
    AIO_CHECK_ERROR(outcome->rc, -EINVAL);
    AIO_CHECK(!outcome->started);
    text_has(outcome->err, value);
    for (; *words != NULL; words++)
        text_has(outcome->err, *words);
}

static const char *const backend_words[] = {"auto", "uring", "epoll", NULL};
static const char *const caps_words[] = {"all", "none", "defer_taskrun", "read_hint", NULL};
static const char *const log_words[] = {"off", "error", "warn", "info", "debug", NULL};

PLAIN(unknown_backend)
{
    struct outcome outcome = with_variable("AIO_BACKEND", "kqueue");
    refused(&outcome, "kqueue", backend_words);
    struct child child = {.options = CHILD_OPTIONS};
    child.options.backend = "iocp";
    outcome = child_run(&child);
    refused(&outcome, "iocp", backend_words);
}

PLAIN(unknown_capability)
{
    struct outcome outcome = with_variable("AIO_CAPS", "all,-warp_drive");
    refused(&outcome, "warp_drive", caps_words);
    struct child child = {.options = CHILD_OPTIONS};
    child.options.caps = "multishot_everything";
    outcome = child_run(&child);
    refused(&outcome, "multishot_everything", caps_words);
}

PLAIN(unknown_log_level)
{
    struct outcome outcome = with_variable("AIO_LOG", "loud");
    refused(&outcome, "loud", log_words);
}

PLAIN(log_levels)
{
    for (const char *const *level = log_words; *level != NULL; level++) {
        struct outcome outcome = with_variable("AIO_LOG", *level);
        AIO_CHECK_OK(outcome.rc);
        bool chatty = strcmp(*level, "info") == 0 || strcmp(*level, "debug") == 0;
        if (chatty)
            text_has(outcome.err, "aio: info: ");
        else
            AIO_CHECK_STR(outcome.err, "");
    }
}

PLAIN(log_off_silences_refusals)
{
    struct child child = {.environment = {"AIO_LOG", "off", "AIO_BACKEND", "kqueue"}};
    struct outcome outcome = child_run(&child);
    AIO_CHECK_ERROR(outcome.rc, -EINVAL);
    AIO_CHECK_STR(outcome.err, "");
}

PLAIN(empty_variables_are_none)
{
    struct child child = {.environment = {"AIO_LOG", "", "AIO_BACKEND", "", "AIO_CAPS", ""}};
    struct outcome outcome = child_run(&child);
    AIO_CHECK_OK(outcome.rc);
    AIO_CHECK_STR(outcome.err, "");
}

PLAIN(ev_is_another_name_of_epoll)
{
    if (!backend_works("epoll")) {
        aio_test_skip("no epoll backend here");
        return;
    }
    struct outcome outcome = with_variable("AIO_BACKEND", "ev");
    AIO_CHECK_OK(outcome.rc);
    AIO_CHECK(outcome_chose(&outcome, "epoll"));
    text_has(outcome.out, "backend: epoll");
}

PLAIN(options_outrank_the_environment)
{
    struct child child = {.environment = {"AIO_BACKEND", "kqueue", "AIO_CAPS", "warp_drive"},
                          .options = CHILD_OPTIONS};
    child.options.backend = "auto";
    child.options.caps = "all";
    AIO_CHECK_OK(child_run(&child).rc);
}

/* A backend that was not compiled in is refused by name as well as one the kernel refuses. */
PLAIN(each_backend_by_name)
{
    static const char *const names[] = {"uring", "epoll"};
    for (int i = 0; i < 2; i++) {
        struct outcome outcome = with_variable("AIO_BACKEND", names[i]);
        if (outcome.rc == 0)
            AIO_CHECK(outcome_chose(&outcome, names[i]));
        else
            text_has(outcome.err, names[i]);
    }
}

static void refused_option(const struct aio_runtime_options *options, const char *name)
{
    const char *const words[] = {name, "choose", NULL};
    struct child child = {.options = *options};
    struct outcome outcome = child_run(&child);
    refused(&outcome, "aio: error: ", words);
}

PLAIN(numbers_out_of_range)
{
    static const uint32_t entries[] = {1, 7, 12, 65536};
    for (int i = 0; i < 4; i++) {
        struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
        options.ring_entries = entries[i];
        refused_option(&options, "ring_entries");
    }
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.stack_bytes = 4096;
    refused_option(&options, "stack_bytes");
    options = AIO_RUNTIME_OPTIONS;
    options.ring_workers = 1025;
    refused_option(&options, "ring_workers");
    options = AIO_RUNTIME_OPTIONS;
    options.offload_threads = 100000;
    refused_option(&options, "offload_threads");
    options = AIO_RUNTIME_OPTIONS;
    options.flags = 1u << 31;
    refused_option(&options, "flags");
    options = AIO_RUNTIME_OPTIONS;
    options.size = 8;
    refused_option(&options, "size");
}

static void check_mask(const char *backend, const char *list)
{
    struct child child = {.environment = {"AIO_BACKEND", backend, "AIO_CAPS", list}};
    struct outcome outcome = child_run(&child);
    if (!AIO_CHECK_OK(outcome.rc))
        aio_test_fail(__FILE__, __LINE__, "with AIO_BACKEND=%s AIO_CAPS=%s", backend, list);
}

static void check_masks(const char *backend, const struct aio__cap *table)
{
    char list[64];
    if (!backend_works(backend)) {
        aio_test_skip("this backend is not here");
        return;
    }
    check_mask(backend, "all");
    check_mask(backend, "none");
    for (const struct aio__cap *cap = table; cap->name != NULL; cap++) {
        snprintf(list, sizeof list, "all,-%s", cap->name);
        check_mask(backend, list);
        check_mask(backend, cap->name);
    }
}

PLAIN(every_mask_of_uring_serves)
{
    check_masks("uring", aio__uring_cap_table);
}

PLAIN(every_mask_of_epoll_serves)
{
    check_masks("epoll", aio__ev_cap_table);
}

PLAIN(masks_are_explained)
{
    struct child child = {
        .environment = {"AIO_BACKEND", "uring", "AIO_CAPS", "all,-defer_taskrun"}};
    if (!backend_works("uring")) {
        aio_test_skip("this backend is not here");
        return;
    }
    struct outcome outcome = child_run(&child);
    AIO_CHECK_OK(outcome.rc);
    text_has(outcome.out, "masked");
    text_has(outcome.out, "defer_taskrun");
}
