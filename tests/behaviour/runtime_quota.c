/*
 * The quota of the process's control group counts as processors, see cgroups(7). A child moves into
 * a group of its own; where none can be made, there is nothing to test.
 */
#define SUITE "runtime_quota"
#include "tests/behaviour/task_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFUSED = 77 }; /* the child's exit status when the group does not take it */

/* Version 1 has a hierarchy for cpu; version 2 has one for all, here or there. */
struct hierarchy {
    const char *root;
    bool version_1;
};

static const struct hierarchy hierarchies[] = {
    {"/sys/fs/cgroup/cpu", true}, {"/sys/fs/cgroup", false}, {"/sys/fs/cgroup/unified", false}};

struct group {
    const struct hierarchy *in;
    char outer[96];
    char inner[128];
};

static bool put(const char *folder, const char *file, const char *text)
{
    char path[192];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* The quota stands on the outer group: those above count too. */
static bool set_quota(const struct group *group, bool half)
{
    if (!group->in->version_1)
        return put(group->outer, "cpu.max", half ? "50000 100000" : "max 100000");
    return put(group->outer, "cpu.cfs_period_us", "100000") &&
           put(group->outer, "cpu.cfs_quota_us", half ? "50000" : "-1");
}

static void group_remove(const struct group *group)
{
    (void)rmdir(group->inner);
    (void)rmdir(group->outer);
}

static bool group_make(struct group *group)
{
    for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
        group->in = &hierarchies[i];
        (void)snprintf(group->outer, sizeof group->outer, "%s/aio-test-%d", group->in->root,
                       (int)getpid());
        (void)snprintf(group->inner, sizeof group->inner, "%s/inner", group->outer);
        if (mkdir(group->outer, 0700) == 0 && mkdir(group->inner, 0700) == 0 &&
            set_quota(group, true))
            return true;
        group_remove(group);
    }
    return false;
}

static int count_inside(void *arg)
{
    const struct group *group = arg;
    char pid[16];
    uint32_t before = aio_runtime_cpus();
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (!put(group->inner, "cgroup.procs", pid))
        return REFUSED;
    if (aio_runtime_cpus() != 1)
        return 1;
    return set_quota(group, false) && aio_runtime_cpus() == before ? 0 : 2;
}

BEHAVIOUR_OUTSIDE(half_a_processor_is_one)
{
    struct group group;
    struct child child;
    if (!group_make(&group)) {
        aio_test_skip("no control group with a quota can be made here");
        return;
    }
    bool ran = AIO_CHECK(child_run(&child, count_inside, &group));
    group_remove(&group);
    if (ran && WIFEXITED(child.status) && WEXITSTATUS(child.status) == REFUSED)
        aio_test_skip("the control group takes no process");
    else
        AIO_CHECK(child_exited(&child, 0));
}
