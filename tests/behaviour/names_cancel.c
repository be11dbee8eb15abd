/*
 * Names: lookups that are cut short by cancellation, deadlines, or the end of everything.
 */
#define SUITE "names_cancel"
#include "tests/behaviour/names_support.h"

#include <unistd.h>

static const struct names_entry table[] = {
    {.name = "silent.test", .kind = NAMES_SILENT},
    {.name = "late.test", .v4 = "1.2.3.4", .v4_delay_ns = AIO_MS(10), .v6_delay_ns = AIO_MS(10)},
    {.name = "tardy.test", .v4 = "1.2.3.4", .v4_delay_ns = AIO_MS(300), .v6_delay_ns = AIO_MS(300)},
    {.name = "quick.test", .v4 = "1.2.3.4"},
    {.name = "long.test", .v4 = "1.2.3.4", .kind = NAMES_TRUNCATE},
    {.name = NULL},
};

/* A lookup that is cancelled ends at once and leaves no descriptor; its late answer does no harm.
 */
BEHAVIOUR(cancel)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    int before = tcp_fd_count(), result = 0;
    for (int i = 0; i < 5; i++) {
        struct aio_task *task = names_start(i % 2 == 0 ? "silent.test" : "tardy.test");
        tcp_settle();
        AIO_CHECK(tcp_fd_count() > before); /* it is under way */
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
        AIO_CHECK_EQ(tcp_fd_count(), before);
    }
    names_give("quick.test", "1.2.3.4:80");
    names_close(&names);
}

/* A lookup ends at its deadline, which says so; with one that has passed nothing begins. */
BEHAVIOUR(deadline)
{
    struct names names;
    struct aio_deadline deadline;
    if (!names_open(&names, table))
        return;
    int before = tcp_fd_count();
    aio_deadline_set(&deadline, AIO_MS(5));
    names_fail("silent.test", -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK_EQ(tcp_fd_count(), before);
    int asked = names.asked_udp;
    AIO_TIMEOUT(0)
    {
        names_fail("quick.test", -ETIMEDOUT);
    }
    AIO_CHECK_EQ(names.asked_udp, asked);
    names_close(&names);
}

/* Cancelling one lookup leaves the others alone. */
BEHAVIOUR(others_go_on)
{
    enum { COUNT = 20 };
    struct aio_task *tasks[COUNT];
    struct names names;
    int result = 0;
    if (!names_open(&names, table))
        return;
    for (int i = 0; i < COUNT; i++)
        tasks[i] = names_start(i % 2 == 0 ? "silent.test" : "late.test");
    tcp_settle();
    for (int i = 0; i < COUNT; i += 2)
        aio_task_cancel(tasks[i]);
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_EQ(result, i % 2 == 0 ? -ECANCELED : 1);
    }
    names_close(&names);
}

/* Who waits for a turn can be cancelled, and the turn goes on to the next. */
BEHAVIOUR(turns)
{
    struct names names;
    int result = 0;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.lookups = 1;
    REQUIRE_OK(aio_resolve_setup(&options));
    struct aio_task *first = names_start("silent.test"), *second = names_start("late.test");
    struct aio_task *third = names_start("quick.test");
    tcp_settle();
    aio_task_cancel(second);
    AIO_CHECK_OK(aio_task_join(second, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
    aio_task_cancel(first);
    AIO_CHECK_OK(aio_task_join(first, NULL));
    AIO_CHECK_OK(aio_task_join(third, &result));
    AIO_CHECK_EQ(result, 1);
    names_close(&names);
}

/* Wherever a lookup is cut, by UDP or TCP, it has ended well or leaves nothing. */
BEHAVIOUR(races)
{
    static const char *const hosts[] = {"quick.test", "long.test", "late.test", "silent.test"};
    struct names names;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.cache_entries = AIO_RESOLVE_UNCACHED;
    REQUIRE_OK(aio_resolve_setup(&options));
    for (int i = tcp_rounds(200); i > 0; i--) {
        int result = 0;
        struct aio_task *task = names_start(hosts[test_random() % 4]);
        for (uint64_t yields = test_random() % 12; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        if (test_random() % 4 == 0)
            AIO_CHECK_OK(aio_time_sleep(AIO_US(test_random() % 500)));
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK(result == 1 || result == -ECANCELED);
    }
    names_give("quick.test", "1.2.3.4:80");
    names_close(&names);
}

static int start_and_return(void *arg)
{
    struct names *names = arg;
    if (!names_open(names, table))
        return 0;
    aio_task_detach(names_start("silent.test"));
    aio_task_detach(names_start("late.test"));
    tcp_settle();
    return 0;
}

/* A runtime that ends with lookups in progress leaves nothing of theirs. */
BEHAVIOUR_OUTSIDE(end)
{
    struct names names = {.udp_task = NULL};
    AIO_CHECK_OK(test_run(start_and_return, &names));
    if (names.udp_task != NULL) {
        close(names.udp);
        close(names.tcp);
    }
}

/* A lookup that waits does not keep the loop turning. */
BEHAVIOUR(waits_without_spinning)
{
    struct names names;
    if (!names_open(&names, table))
        return;
    struct aio_resolve_options options = names_options(&names);
    options.timeout_ns = AIO_SEC(5);
    REQUIRE_OK(aio_resolve_setup(&options));
    struct aio_task *task = names_start("silent.test");
    tcp_check_no_spin();
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    names_close(&names);
}
