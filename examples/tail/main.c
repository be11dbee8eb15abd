/*
 * tail: prints the last lines of files, and then what is added to them. Usage:
 *
 *     tail [-n LINES] FILE...
 *
 * A file is followed by its name, as by `tail -F`: one that is truncated is printed from its
 * beginning, one that is replaced (renamed and made anew, as logs are) is read to its end, and the
 * new one from its beginning. Who had the old one open may go on writing to it for a while, so the
 * last three are followed too. Files that replace one another before tail gets to look are found
 * under the names that they have been given meanwhile, in the same folder; those that have been
 * deleted or moved elsewhere by then are not seen. A file that is not there, or may not be read, is
 * waited for. A name may be that of a symlink: what it leads to is followed by its own name, and
 * another file when the symlink is made anew. The kernel tells of all this as it happens, see
 * <aio/watch.h>.
 *
 * Of the path before the name it does not tell enough, so that is looked at twice a second: a
 * folder that is not there is waited for, and when another one takes its place (it was removed and
 * made again, or renamed, or a symlink was switched) the file there is the next one of the name.
 */
#include "examples/tail/tail.h"

#include <aio/pipe.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500 }; /* twice that may pass when events come in between */

int take_events(struct tail *tail, int most, int64_t wait_ns)
{
    struct aio_watch_event event;
    int rc = 0;
    for (int taken = 0; taken < most && rc == 0; taken++) {
        AIO_TIMEOUT(taken == 0 ? wait_ns : 1)
        {
            rc = aio_watch_next(tail->watch, &event);
        }
        for (int i = 0; i < tail->count && rc == 0; i++)
            note_event(tail, &tail->sources[i], &event);
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

/* Prints the last lines of a file. Returns 1; 0 when there is nothing to follow; why tail ends. */
static int begin(struct tail *tail, struct source *source)
{
    source->fresh = source->relinked = true;
    int rc = settle(tail, source);
    source->fresh = false;
    if (rc == 0 && !source->missing)
        rc = print_header(tail, source);
    return rc < 0 ? rc : !source->missing || !is_unfit(source->error);
}

/* Returns how many files there are to follow, those included that may yet come; or why tail ends.
 */
static int begin_all(struct tail *tail)
{
    int followed = 0;
    for (int i = 0; i < tail->count; i++) {
        int rc = begin(tail, &tail->sources[i]);
        if (rc < 0)
            return rc;
        followed += rc;
    }
    return followed;
}

/* While one is looked at, events may come for all. */
static int settle_all(struct tail *tail)
{
    int rc = 0;
    for (int i = 0; i < tail->count && rc == 0; i++) {
        struct source *source = &tail->sources[i];
        if (!(source->grown || source->changed || source->relinked))
            continue;
        rc = settle(tail, source);
        i = -1;
    }
    return rc;
}

/* Where the paths lead may change without an event. */
static void look_at_times(struct tail *tail)
{
    int64_t now = aio_time_now();
    if (now - tail->looked_ns < AIO_MS(LOOK_MS))
        return;
    tail->looked_ns = now;
    for (int i = 0; i < tail->count; i++)
        tail->sources[i].relinked = true;
}

static int follow(struct tail *tail)
{
    tail->looked_ns = aio_time_now();
    int rc = begin_all(tail);
    if (rc == 0) {
        fprintf(stderr, "tail: there is no file to follow\n");
        return -ENOENT;
    }
    while (rc >= 0) {
        rc = settle_all(tail);
        if (rc == 0)
            rc = take_events(tail, EVENTS_AT_ONCE, AIO_MS(LOOK_MS));
        look_at_times(tail);
    }
    return rc;
}

static int run(struct tail *tail)
{
    int rc = aio_stream_stdout(&tail->out);
    if (rc == 0 && (rc = aio_watch_open(&tail->watch)) == 0) {
        rc = follow(tail);
        for (int i = 0; i < tail->count; i++)
            close_source(tail, &tail->sources[i]);
        aio_watch_close(tail->watch);
    }
    aio_stream_close(tail->out);
    return rc == -ENOENT ? 1 : aio_error_exit(rc, "tail");
}

/* Reads "-n LINES" and "-nLINES". Returns the index of the first file; -1: bad. */
static int read_options(int argc, char **argv, long *lines)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        if (strcmp(argv[at], "--") == 0)
            return at + 1;
        if (argv[at][1] != 'n')
            return -1;
        const char *text = argv[at][2] != '\0' ? argv[at] + 2 : argv[++at];
        char *end = NULL;
        errno = 0;
        *lines = text != NULL ? strtol(text, &end, 10) : -1;
        if (*lines < 0 || errno != 0 || end == text || *end != '\0')
            return -1;
    }
    return at;
}

AIO_MAIN(argc, argv)
{
    struct tail tail = {.lines = 10};
    int first = read_options(argc, argv, &tail.lines);
    if (first < 0 || first >= argc) {
        fprintf(stderr, "usage: tail [-n LINES] FILE...\n");
        return 1;
    }
    tail.count = argc - first;
    tail.sources = calloc((size_t)tail.count, sizeof *tail.sources);
    if (tail.sources == NULL)
        return aio_error_exit(-ENOMEM, "tail");
    for (int i = 0; i < tail.count; i++)
        tail.sources[i].path = argv[first + i];
    int rc = aio_signal_shutdown(); /* SIGINT and SIGTERM cancel this task */
    rc = rc == 0 ? run(&tail) : aio_error_exit(rc, "signals");
    free(tail.sources);
    return rc;
}
