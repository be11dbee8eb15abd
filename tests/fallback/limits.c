/*
 * Low limits: locked memory as an unprivileged user, which rings are charged to, and descriptors.
 * A ring, a smaller ring, or epoll with a reason are all right; failing is not.
 */
#define SUITE "limits"
#include "tests/fallback/child.h"

#include "core/backend.h"

#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534, BACKENDS = 64 };

static rlim_t locked_bytes;

static void become_nobody(void)
{
    struct rlimit limit = {locked_bytes, locked_bytes};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 &&
        setuid(NOBODY) == 0)
        return;
    fprintf(stderr, "only root can become another user: %s", strerror(errno));
    _exit(CHILD_UNPREPARED);
}

static void check_locked(rlim_t bytes, uint32_t ring_entries)
{
    struct child child = {.prepare = become_nobody, .options = CHILD_OPTIONS};
    locked_bytes = bytes;
    child.options.ring_entries = ring_entries;
    if (!backend_works("epoll")) {
        aio_test_skip("there is nothing to fall back to");
        return;
    }
    struct outcome outcome = child_run(&child);
    if (!outcome.exited)
        return;
    AIO_CHECK_OK(outcome.rc);
    if (!outcome_chose(&outcome, "uring")) {
        AIO_CHECK(outcome_chose(&outcome, "epoll"));
        text_has(outcome.out, "uring: ");
    }
}

PLAIN(no_locked_memory)
{
    check_locked(0, 1024);
}

PLAIN(little_locked_memory)
{
    check_locked(64 * 1024, 1024);
    check_locked(64 * 1024, 32768);
    check_locked(1024 * 1024, 32768);
}

static struct aio__backend *opened[BACKENDS];

/* Opens backends until one is no ring. Prints how many were, and how the last one was chosen. */
static void open_many(void)
{
    static struct aio__offload_port port;
    static struct aio__explain explain;
    int rings = 0, count = 0;
    for (; count < BACKENDS; count++) {
        explain.length = 0;
        struct aio__backend_params params = {
            .ring_entries = 4096, .caps = "all", .offload = &port, .explain = &explain};
        int rc = aio__backend_choose(&opened[count], "auto", &params);
        if (rc < 0) {
            printf("refused: %d\n", rc);
            break;
        }
        if (strcmp(opened[count]->vtable->name, "uring") != 0) {
            printf("fell back\n%s", explain.text);
            count++;
            break;
        }
        rings++;
    }
    while (count > 0) {
        count--;
        opened[count]->vtable->close(opened[count]);
    }
    printf("%d rings\n", rings);
}

/* Each ring takes its share until there is none left: then smaller ones, then epoll. */
PLAIN(rings_until_locked_memory_is_used_up)
{
    struct child child = {.prepare = become_nobody, .instead = open_many};
    locked_bytes = 2 * 1024 * 1024;
    if (!backend_works("epoll")) {
        aio_test_skip("there is nothing to fall back to");
        return;
    }
    struct outcome outcome = child_run(&child);
    if (!outcome.exited)
        return;
    AIO_CHECK(strstr(outcome.out, "refused") == NULL);
    if (strstr(outcome.out, "fell back") != NULL)
        text_has(outcome.out, "uring: ");
    else
        text_has(outcome.out, "64 rings");
}

static void leave_no_descriptor(void)
{
    struct rlimit limit = {3, 3};
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    setrlimit(RLIMIT_NOFILE, &limit);
}

PLAIN(no_descriptor_left_at_start)
{
    static const char *const names[] = {"auto", "uring", "epoll"};
    for (int i = 0; i < 3; i++) {
        struct child child = {.prepare = leave_no_descriptor,
                              .environment = {"AIO_BACKEND", names[i]}};
        if (i > 0 && !backend_works(names[i]))
            continue;
        struct outcome outcome = child_run(&child);
        AIO_CHECK_ERROR(outcome.rc, -EMFILE);
        AIO_CHECK(!outcome.started);
        text_has(outcome.err, "EMFILE");
    }
}
