/*
 * Starting programs: which, with what around them, and why not.
 */
#define SUITE "process_spawn"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

BEHAVIOUR(exit_codes)
{
    AIO_CHECK_EQ(process_end(shell_spawn("exit 0", NULL)), 0);
    AIO_CHECK_EQ(process_end(shell_spawn("exit 7", NULL)), 7);
    AIO_CHECK_EQ(process_end(shell_spawn("exit 255", NULL)), 255);
    AIO_CHECK_EQ(process_end(shell_spawn("kill -KILL $$", NULL)), -9);
    no_children();
}

/* Words are handed on as they are; the program's own name need not be the file's. */
BEHAVIOUR(arguments)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_process *process;
    char text[256];
    options.program = "/bin/sh";
    options.output = output_open();
    const char *const words[] = {
        "another name", "-c", "echo \"$0|$1|$2|$#\"", "x y", "", "*", NULL};
    REQUIRE_OK(aio_process_spawn(&process, words, &options));
    AIO_CHECK_EQ(process_end(process), 0);
    output_take(options.output, text, sizeof text);
    AIO_CHECK_STR(text, "x y||*|2\n");
}

BEHAVIOUR(environment)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    setenv("AIO_TEST_WORD", "inherited", 1);
    shell_prints("echo $AIO_TEST_WORD $OTHER", options, "inherited\n");
    options.environment = (const char *const[]){"OTHER=own", NULL};
    shell_prints("echo $AIO_TEST_WORD $OTHER", options, "own\n");
    options.environment = (const char *const[]){NULL};
    shell_prints("echo $AIO_TEST_WORD $OTHER", options, "\n");
    unsetenv("AIO_TEST_WORD");
}

/* By name, by descriptor, and by a name that is relative to the descriptor. */
BEHAVIOUR(directory)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.directory = "/usr/bin";
    shell_prints("pwd -P", options, "/usr/bin\n");
    options.directory = "bin";
    options.directory_fd = open("/usr", O_PATH | O_CLOEXEC);
    shell_prints("pwd -P", options, "/usr/bin\n");
    options.directory = NULL;
    shell_prints("pwd -P", options, "/usr\n");
    close(options.directory_fd);
}

/* A folder with a script in it, and its path. */
struct place {
    char folder[64];
    char file[96];
};

static bool place_open(struct place *place, const char *content, mode_t mode)
{
    test_temporary(place->folder, sizeof place->folder, "/tmp");
    if (!AIO_CHECK(mkdtemp(place->folder) != NULL))
        return false;
    snprintf(place->file, sizeof place->file, "%s/aio-test-tool", place->folder);
    int fd = open(place->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = AIO_CHECK(fd >= 0) &&
                AIO_CHECK_EQ(write(fd, content, strlen(content)), (ssize_t)strlen(content)) &&
                AIO_CHECK_EQ(fchmod(fd, mode), 0);
    close(fd);
    return good;
}

static void place_close(const struct place *place)
{
    AIO_CHECK_EQ(unlink(place->file), 0);
    AIO_CHECK_EQ(rmdir(place->folder), 0);
}

static int try_spawn(const char *program, const struct aio_process_options *options)
{
    struct aio_process *process = NULL;
    int rc = aio_process_spawn(&process, AIO_ARGV(program), options);
    if (rc == 0)
        rc = process_end(process);
    else
        AIO_CHECK(process == NULL);
    return rc;
}

/* A name without a slash is looked for along PATH: folders that are not there, are files, or hold
 * what may not be executed are passed over. */
BEHAVIOUR(search_along_path)
{
    struct place good, barred;
    char path[512];
    REQUIRE(place_open(&good, "#!/bin/sh\nexit 5\n", 0700));
    REQUIRE(place_open(&barred, "#!/bin/sh\nexit 6\n", 0600));
    char *before = strdup(getenv("PATH"));
    snprintf(path, sizeof path, "/nowhere:/etc/passwd:%s:%s:/bin", barred.folder, good.folder);
    setenv("PATH", path, 1);
    AIO_CHECK_EQ(try_spawn("aio-test-tool", NULL), 5);
    setenv("PATH", barred.folder, 1);
    AIO_CHECK_ERROR(try_spawn("aio-test-tool", NULL), -EACCES);
    setenv("PATH", "/nowhere::", 1); /* an empty part is the child's directory */
    AIO_CHECK_ERROR(try_spawn("aio-test-tool", NULL), -ENOENT);
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.directory = good.folder;
    AIO_CHECK_EQ(try_spawn("aio-test-tool", &options), 5);
    AIO_CHECK_EQ(try_spawn("./aio-test-tool", &options), 5);
    unsetenv("PATH");
    AIO_CHECK_EQ(try_spawn("true", NULL), 0);
    setenv("PATH", before, 1);
    free(before);
    place_close(&good);
    place_close(&barred);
}

/* What cannot be executed is told by the error that exec had, and leaves no child. */
BEHAVIOUR(programs_that_are_none)
{
    struct place text;
    REQUIRE(place_open(&text, "neither a script nor a program\n", 0700));
    AIO_CHECK_ERROR(try_spawn("/nowhere/at/all", NULL), -ENOENT);
    AIO_CHECK_ERROR(try_spawn("aio-no-such-program", NULL), -ENOENT);
    AIO_CHECK_ERROR(try_spawn("", NULL), -ENOENT);
    AIO_CHECK_ERROR(try_spawn("/etc/passwd", NULL), -EACCES);
    AIO_CHECK_ERROR(try_spawn("/etc/passwd/x", NULL), -ENOTDIR);
    AIO_CHECK_ERROR(try_spawn("/usr/bin", NULL), -EACCES);
    AIO_CHECK_ERROR(try_spawn(text.file, NULL), -ENOEXEC);
    no_children();
    place_close(&text);
}

BEHAVIOUR(bad_directories)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.directory = "/nowhere";
    AIO_CHECK_ERROR(try_spawn("true", &options), -ENOENT);
    options.directory = "/etc/passwd";
    AIO_CHECK_ERROR(try_spawn("true", &options), -ENOTDIR);
    options.directory = NULL;
    options.directory_fd = 1 << 20;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EBADF);
    options.directory_fd = -7;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EBADF);
    options.directory_fd = AT_FDCWD; /* is none of them */
    AIO_CHECK_EQ(process_end(shell_spawn("exit 0", &options)), 0);
    no_children();
}

BEHAVIOUR(too_many_words)
{
    enum { SIZE = 4 << 20 };
    struct aio_process *process = NULL;
    char *word = malloc(SIZE);
    REQUIRE(word != NULL);
    memset(word, 'x', SIZE - 1);
    word[SIZE - 1] = '\0';
    AIO_CHECK_ERROR(aio_process_spawn(&process, AIO_ARGV("true", word), NULL), -E2BIG);
    free(word);
    no_children();
}

/* Puts a text at an offset of a rented buffer. */
static const char *place_text(struct aio_buffer *buffer, size_t at, const char *text)
{
    return memcpy((char *)aio_buffer_data(buffer) + at, text, strlen(text) + 1);
}

/* What children are kept from seeing of our memory may hold all that is handed over, also for one
 * that has another user's rights. */
BEHAVIOUR(words_in_rented_buffers)
{
    struct aio_buffer *buffer;
    REQUIRE_OK(aio_buffer_rent(&buffer));
    const char **words = aio_buffer_data(buffer);
    words[0] = place_text(buffer, 100, "sh");
    words[1] = place_text(buffer, 110, "-c");
    words[2] = place_text(buffer, 120, "pwd -P; echo $WORD; ulimit -Sn");
    words[3] = NULL;
    words[4] = place_text(buffer, 200, "WORD=rented");
    words[5] = NULL;
    struct aio_process_limit *limit = (void *)(words + 6);
    *limit = (struct aio_process_limit){RLIMIT_NOFILE, {33, 44}};
    struct aio_process_options *options = (void *)((char *)words + 512);
    for (int other = 0; other <= (geteuid() == 0); other++) {
        char text[64];
        int out = output_open();
        *options = AIO_PROCESS_OPTIONS;
        options->program = place_text(buffer, 240, "/bin/sh");
        options->directory = place_text(buffer, 250, "/usr");
        options->environment = words + 4;
        options->limits = limit;
        options->limit_count = 1;
        options->output = out;
        if (other)
            options->uid = options->gid = 65534;
        struct aio_process *process = NULL;
        if (AIO_CHECK_OK(aio_process_spawn(&process, words, options)))
            AIO_CHECK_EQ(process_end(process), 0);
        output_take(out, text, sizeof text);
        AIO_CHECK_STR(text, "/usr\nrented\n33\n");
    }
    aio_buffer_release(buffer);
}

BEHAVIOUR(bad_options)
{
    struct aio_process *process = NULL;
    const char *const nothing[] = {NULL};
    AIO_CHECK_ERROR(aio_process_spawn(&process, nothing, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_process_spawn(&process, NULL, NULL), -EINVAL);
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.size--;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    options = AIO_PROCESS_OPTIONS;
    options.input = AIO_PROCESS_JOIN;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    options = AIO_PROCESS_OPTIONS;
    options.group = -2;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    options = AIO_PROCESS_OPTIONS;
    options.umask = 01000;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    options.umask = -2;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    options = AIO_PROCESS_OPTIONS;
    options.limits = &(struct aio_process_limit){.resource = 999};
    options.limit_count = 1;
    AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
}

/* Counts without what they count, also for a child that does not share our memory. */
BEHAVIOUR(missing_arrays)
{
    for (int other = 0; other < 2; other++) {
        struct aio_process_options options = AIO_PROCESS_OPTIONS;
        options.uid = other ? getuid() : (uid_t)-1;
        options.limit_count = 1;
        AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
        options.limit_count = 0;
        options.group_count = 1;
        AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
        options.group_count = 0;
        options.fd_count = 1;
        AIO_CHECK_ERROR(try_spawn("true", &options), -EINVAL);
    }
}

/* What is pending for the task is told before anything is started. */
static int spawn_late(void *unused)
{
    (void)unused;
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(try_spawn("true", NULL), -ECANCELED);
    return 0;
}

BEHAVIOUR(interrupted_before)
{
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, spawn_late, NULL, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(try_spawn("true", NULL), -ETIMEDOUT);
    }
    no_children();
}

struct spawner {
    struct aio_process *process;
    int rc;
};

static int spawn_true(void *arg)
{
    struct spawner *spawner = arg;
    spawner->rc = aio_process_spawn(&spawner->process, AIO_ARGV("true"), NULL);
    return 0;
}

static bool pool_has_begun(void *unused)
{
    struct aio_runtime_stats stats = task_stats();
    (void)unused;
    return stats.offload_queued == 0;
}

/* A child that was made all the same is told of, or there is none: each of the turns at which a
 * cancellation can come leaves nothing behind. */
BEHAVIOUR(canceled_meanwhile)
{
    for (int turns = 0; turns < 12; turns++) {
        struct spawner spawner = {.rc = 1};
        struct aio_task *task = task_named("spawner", spawn_true, &spawner);
        for (int i = 0; i < turns; i++)
            AIO_CHECK_OK(aio_task_yield());
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK(spawner.rc == 0 || spawner.rc == -ECANCELED);
        if (spawner.rc == 0)
            AIO_CHECK_EQ(process_end(spawner.process), 0);
    }
    no_children();
}

/* Once the pool has begun, the success is told. */
BEHAVIOUR(canceled_too_late)
{
    struct spawner spawner = {.rc = 1};
    struct aio_task *task = task_named("spawner", spawn_true, &spawner);
    AIO_CHECK_OK(aio_task_yield());
    if (test_wait(pool_has_begun, NULL))
        aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    if (AIO_CHECK_OK(spawner.rc))
        AIO_CHECK_EQ(process_end(spawner.process), 0);
}

static int spawn_some(void *arg)
{
    int *sum = arg;
    for (int i = 0; i < 4; i++) {
        AIO_CHECK_EQ(process_end(shell_spawn("exit 3", NULL)), 3);
        AIO_CHECK_ERROR(try_spawn("/nowhere", NULL), -ENOENT);
        ++*sum;
    }
    return 0;
}

BEHAVIOUR(many_at_once)
{
    struct aio_scope scope;
    int sum = 0;
    REQUIRE_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < 8; i++)
        AIO_CHECK_OK(aio_scope_spawn(&scope, spawn_some, &sum));
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_EQ(sum, 32);
    no_children();
}
