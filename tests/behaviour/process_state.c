/*
 * What a child has of ours and what not: signals, session and group, umask, niceness, limits, user.
 */
#define SUITE "process_state"
#include "tests/behaviour/process_tools.h"

#include <aio/file.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNALS "grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'"
#define NO_SIGNALS "SigBlk:0000000000000000\nSigIgn:0000000000000000\n"

static void do_nothing(int number)
{
    (void)number;
}

/* Whatever is ignored, caught and blocked here. */
BEHAVIOUR(signals_are_default)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, catch = {.sa_handler = do_nothing};
    struct sigaction before[3];
    struct aio_file *file; /* with which the core blocks SIGXFSZ, as it does SIGPIPE */
    sigset_t blocked, mask;
    REQUIRE_OK(aio_file_open(&file, "/etc/passwd", O_RDONLY, 0));
    sigaction(SIGUSR1, &ignore, &before[0]);
    sigaction(SIGRTMAX, &ignore, &before[1]);
    sigaction(SIGUSR2, &catch, &before[2]);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    shell_prints("exec " SIGNALS, options, NO_SIGNALS);
    options.keep_ignored = true;
    char text[256];
    AIO_CHECK_EQ(shell_run("trap 'exit 3' USR1; kill -USR1 $$; kill -RTMAX $$; " SIGNALS, options,
                           text, sizeof text),
                 0);
    AIO_CHECK(strstr(text, "SigBlk:0000000000000000\n") != NULL);
    options.keep_ignored = false;
    AIO_CHECK_EQ(process_end(shell_spawn("kill -USR1 $$; exit 3", &options)), -SIGUSR1);
    AIO_CHECK_OK(aio_file_close(file));
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGUSR1, &before[0], NULL);
    sigaction(SIGRTMAX, &before[1], NULL);
    sigaction(SIGUSR2, &before[2], NULL);
}

/* Ours are as they were: the child's changes are its own. */
BEHAVIOUR(our_state_is_untouched)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct sigaction catch = {.sa_handler = do_nothing}, before, now;
    sigset_t mask, later;
    char folder[256], after[256];
    sigaction(SIGUSR2, &catch, &before);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    AIO_CHECK(getcwd(folder, sizeof folder) != NULL);
    options.directory = "/";
    options.umask = 0;
    options.session = true;
    options.nice = 3;
    pid_t session = getsid(0);
    AIO_CHECK_EQ(process_end(shell_spawn("exit 0", &options)), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &later);
    AIO_CHECK(memcmp(&mask, &later, sizeof mask) == 0);
    sigaction(SIGUSR2, &before, &now);
    AIO_CHECK(now.sa_handler == do_nothing);
    AIO_CHECK(getcwd(after, sizeof after) != NULL);
    AIO_CHECK_STR(after, folder);
    AIO_CHECK_EQ(getsid(0), session);
    mode_t ours = umask(022);
    umask(ours);
    AIO_CHECK(ours != 0);
}

/* In /proc/self/stat: pid, name, state, parent, group, session. */
#define GROUP_AND_SESSION                                                                          \
    "read -r pid name state parent group session rest < /proc/$$/stat; "                           \
    "test $group = $$ && echo leads; test $session = $$ && echo session; echo"

BEHAVIOUR(session_and_group)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    shell_prints(GROUP_AND_SESSION, options, "\n");
    options.group = 0;
    shell_prints(GROUP_AND_SESSION, options, "leads\n\n");
    options.session = true;
    options.group = -1;
    shell_prints(GROUP_AND_SESSION, options, "leads\nsession\n\n");
    options.group = 0; /* which a session's leader leads anyhow */
    shell_prints(GROUP_AND_SESSION, options, "leads\nsession\n\n");
}

/* A second one joins the group of the first. */
BEHAVIOUR(group_of_another)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.group = 0;
    struct aio_process *leader = shell_spawn("exec sleep 100", &options);
    REQUIRE(leader != NULL);
    options.group = aio_process_pid(leader);
    struct aio_process *member = shell_spawn("exec sleep 100", &options);
    REQUIRE(member != NULL);
    AIO_CHECK_EQ(getpgid(aio_process_pid(member)), options.group);
    AIO_CHECK_ERROR(aio_process_killpg(member, SIGTERM), -EINVAL); /* it does not lead it */
    AIO_CHECK_EQ(aio_process_killpg(leader, SIGTERM), 0);
    AIO_CHECK_EQ(process_end(member), -SIGTERM);
    AIO_CHECK_EQ(process_end(leader), -SIGTERM);
    options.group = 1; /* of init's session */
    AIO_CHECK_ERROR(aio_process_spawn(&leader, AIO_ARGV("true"), &options), -EPERM);
    no_children();
}

BEHAVIOUR(umask_nice_and_limits)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    const struct aio_process_limit limits[] = {{RLIMIT_NOFILE, {33, 44}}, {RLIMIT_CORE, {0, 0}}};
    options.umask = 027;
    shell_prints("umask", options, "0027\n");
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, "%d\n", getpriority(PRIO_PROCESS, 0) + 5);
    options.nice = 5;
    shell_prints("nice", options, wanted);
    options.limits = limits;
    options.limit_count = 2;
    shell_prints("ulimit -Sn; ulimit -Hn; ulimit -c", options, "33\n44\n0\n");
}

/* Root may have another user's rights: with its groups and no others. */
BEHAVIOUR(user_and_groups)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    if (geteuid() != 0) {
        aio_test_skip("needs root");
        return;
    }
    options.uid = 65534;
    options.gid = 65533;
    options.directory = "/";
    shell_prints("id -u; id -g; id -G; umask", options, "65534\n65533\n65533\n0022\n");
    options.groups = (const gid_t[]){11, 12};
    options.group_count = 2;
    shell_prints("id -u; id -G", options, "65534\n65533 11 12\n");
    AIO_CHECK_EQ(geteuid(), 0);
    AIO_CHECK_EQ(process_end(shell_spawn("test -r /etc/shadow", &options)), 1);
    options.directory = "/root";
    struct aio_process *process;
    struct stat root;
    if (stat("/root", &root) == 0 && (root.st_mode & 07) == 0)
        AIO_CHECK_ERROR(aio_process_spawn(&process, AIO_ARGV("true"), &options), -EACCES);
}

/* Another user who is beyond the limit of processes gets no more. */
BEHAVIOUR(limit_of_processes)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    const struct aio_process_limit limit = {RLIMIT_NPROC, {0, 0}};
    struct aio_process *process;
    if (geteuid() != 0) {
        aio_test_skip("needs root");
        return;
    }
    options.uid = 65534;
    struct aio_process *first = shell_spawn("exec sleep 100", &options);
    REQUIRE(first != NULL);
    options.limits = &limit;
    options.limit_count = 1;
    AIO_CHECK_ERROR(aio_process_spawn(&process, AIO_ARGV("true"), &options), -EAGAIN);
    aio_process_close(first);
    no_children();
}
