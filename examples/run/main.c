/*
 * run: runs command lines, several at once, as `make -j` does.
 * Usage: run [-j JOBS] [-k] [FILE]
 *
 * Each line of FILE, or of standard input, is run by `sh -c` with nothing to read; empty lines and
 * those that begin with '#' are passed over. -j says how many run at once (as many as there are
 * processors); where descriptors or processes are short it is fewer. After a failure no further
 * ones are started, but with -k all are run.
 *
 * What a job writes is collected and printed in one piece when it has ended, so outputs do not mix;
 * beyond 16 MiB it is dropped, and that is said. What becomes of the jobs goes to standard error,
 * between the outputs: on a terminal a line that counts them, and the failures; elsewhere a line
 * each. As long as nobody reads what run prints, as many jobs as may run at once come to their end,
 * and no more are started; once it is stopped, run waits for a reader for two seconds at most.
 * A standard stream that is closed is as /dev/null.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT, unless they were ignored from the start, end the jobs with
 * all that belongs to their process groups, by SIGTERM and two seconds later by SIGKILL. A second
 * signal, half a second after the first or later, has them killed at once. No job outlives run,
 * unless run itself is sent SIGKILL.
 *
 * Exit codes: 0 when all have succeeded, 2 otherwise, also for bad usage and after a signal.
 */
#include "examples/run/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define JOBS_MAX 1000
#define EXIT_FAILED 2
#define FILES_WANTED 4096 /* a job needs up to four at once */

static int usage(void)
{
    fprintf(stderr, "usage: run [-j JOBS] [-k] [FILE] (JOBS: 1 to %d)\n", JOBS_MAX);
    return EXIT_FAILED;
}

static void sum_up(struct run *run, int rc)
{
    struct output *output = &run->output;
    if (rc == -ECANCELED)
        output_say(output, "run: stopped by a signal\n");
    else if (rc == -EMSGSIZE)
        output_say(output, "run: a line is too long (%zu KiB at most)\n", LINE_MAX_BYTES >> 10);
    else if (rc == -EILSEQ)
        output_say(output, "run: a line has a NUL byte in it\n");
    else if (rc < 0)
        output_say(output, "run: the command lines cannot be read: %s\n", aio_error_name(rc));
    if (output->live || run->failed > 0)
        output_say(output, "run: %ld done, %ld failed\n", run->done, run->failed);
}

static int run_printed(struct run *run)
{
    int rc = printer_open(run);
    if (rc < 0)
        return rc;
    rc = lines_run(run);
    int printed = printer_close(&run->printer);
    return rc < 0 ? rc : printed;
}

static int run_main(void *arg)
{
    struct run *run = arg;
    int rc = output_open(&run->output);
    if (rc < 0) {
        output_say(&run->output, "run: standard output cannot be used: %s\n", aio_error_name(rc));
    } else {
        run->task = aio_task_current();
        rc = signals_open(run);
        if (rc == 0)
            rc = run_printed(run);
        sum_up(run, rc);
        signals_close(run);
    }
    output_close(&run->output);
    return rc == 0 && run->failed == 0 ? 0 : EXIT_FAILED;
}

/* Returns false for bad usage. */
static bool read_options(struct run *run, long *jobs, int argc, char **argv)
{
    int option;
    char *end = NULL;
    while ((option = getopt(argc, argv, "j:k")) != -1) {
        if (option == 'j')
            *jobs = strtol(optarg, &end, 10);
        if (option == '?' || (option == 'j' && (*optarg == '\0' || *end != '\0')))
            return false;
        run->keep_going = run->keep_going || option == 'k';
    }
    return *jobs >= 1 && *jobs <= JOBS_MAX && argc - optind <= 1;
}

/* Else descriptors of the runtime would be taken for the standard streams. */
static bool fill_standard_fds(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/* For as many jobs as may be asked for, as far as that is allowed. */
static void raise_files(struct rlimit *before)
{
    (void)getrlimit(RLIMIT_NOFILE, before);
    struct rlimit more = *before;
    if (more.rlim_cur >= FILES_WANTED)
        return;
    more.rlim_cur = more.rlim_max < FILES_WANTED ? more.rlim_max : FILES_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &more);
}

int main(int argc, char **argv)
{
    const struct sigaction ordinary = {.sa_handler = SIG_DFL};
    struct run run = {0};
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (!fill_standard_fds())
        return EXIT_FAILED;
    if (!read_options(&run, &jobs, argc, argv))
        return usage();
    run.path = argv[optind];
    run.room = (struct aio_semaphore)AIO_SEMAPHORE_INIT((uint32_t)jobs);
    raise_files(&run.files);
    (void)sigaction(SIGCHLD, &ordinary, NULL); /* whoever started us may ignore it */
    int rc = aio_runtime_run(NULL, run_main, &run);
    if (rc < 0)
        (void)aio_error_exit(rc, "run");
    return rc < 0 ? EXIT_FAILED : rc;
}
