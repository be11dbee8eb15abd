/*
 * What the files of the run example share.
 */
#ifndef EXAMPLES_RUN_RUN_H
#define EXAMPLES_RUN_RUN_H

#include <aio/aio.h>
#include <aio/pipe.h>
#include <aio/process.h>
#include <aio/signal.h>

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define OUTPUT_MAX_BYTES ((size_t)16 << 20)

/* One of our standard streams, to be written to. */
struct sink {
    struct aio_stream *stream; /* NULL: what is written is dropped */
    int64_t patience_ns;       /* with who reads it, from hurry_ns on */
};

/*
 * Standard output and standard error. One task at a time writes to them, so that a message stands
 * between what jobs have written, and never within.
 */
struct output {
    struct sink out;
    struct sink err;
    bool live;        /* a terminal shows the progress */
    bool together;    /* both are seen in one place */
    bool unfinished;  /* the last line that a job has written, and nothing stands behind it */
    bool drawn;       /* the progress is the terminal's last line */
    int64_t hurry_ns; /* when a task that writes was first found to be cancelled; 0 */
};

/* The task that prints what jobs have written and what has become of them. */
struct printer {
    struct aio_task *task;
    struct aio_notify wake;
    struct job *first; /* of those that have ended */
    struct job **last;
    bool closed; /* no more will come */
};

struct run {
    const char *path;      /* of the command lines; NULL: standard input */
    struct aio_task *task; /* the first one, which a signal cancels */
    struct aio_signal *signals;
    struct aio_task *watcher; /* of the signals */
    int64_t stopped_ns;       /* when the first came; 0 */
    bool hurried;             /* by a second one */
    struct aio_scope scope;
    struct aio_semaphore room; /* for jobs, until they are printed */
    struct job *jobs;          /* that have a process */
    long holders;              /* those, and the ones that are about to have one */
    struct aio_mutex shortage; /* held by the job that is to start next, while there is one */
    struct aio_notify left;    /* a holder has given back what it had */
    unsigned long lefts;       /* how many have */
    struct rlimit files;       /* with which run was started, and which jobs get */
    struct output output;
    struct printer printer;
    bool keep_going;
    bool failing; /* a job has failed, though that may not be told yet */
    long running;
    long done;
    long failed;
};

/* What a job writes, and the task that reads it. */
struct collector {
    struct aio_task *task;
    struct aio_stream *stream;
    char *bytes;
    size_t size;
    size_t capacity;
    bool truncated; /* there was more than is kept */
    int lost;       /* why not all of it could be read; 0 */
};

struct job {
    struct run *run;
    struct job *next; /* of the run's jobs, then of the printer's */
    char *line;
    struct aio_process *process; /* NULL: it must not be used any more */
    struct collector collector;
    int rc;       /* of running it, whatever its status */
    bool dropped; /* as another one had failed before it could start */
    struct aio_process_status status;
    int64_t begin_ns;
    int64_t took_ns;
};

/* Begins to collect what comes from the stream, which it closes. Returns 0 or -errno. */
int collector_open(struct collector *collector, struct aio_stream *stream);
/* Waits for the end, or if others hold the stream open for a second. Shielded. */
void collector_close(struct collector *collector);

/* From now on signals stop the run: the first cancels its task. Returns 0 or -errno. */
int signals_open(struct run *run);
void signals_close(struct run *run);

/* A task: runs a job, and gives it to the printer. */
int job_run(void *job);
/* Ends its process, and the group that it leads, at once; never suspends. */
void job_kill(const struct job *job);
bool job_good(const struct job *job);
void job_free(struct job *job);

/* Reads the command lines and runs them. Returns 0, also when it was stopped by a failure, or what
 * went wrong. */
int lines_run(struct run *run);

/* Returns 0; or why standard output cannot be written to. */
int output_open(struct output *output);
void output_close(struct output *output);
/* What a job has written. Returns 0; or why not all of it was printed. */
int output_write(struct output *output, const char *bytes, size_t size);
/* A message of whole lines. */
void output_say(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Shows the progress, where that is shown. */
void output_show(struct output *output, const struct run *run);

int printer_open(struct run *run);
/* Takes the job over; never suspends. */
void printer_add(struct printer *printer, struct job *job);
/* Waits until all is printed. When the caller is cancelled, who does not read is not waited for any
 * longer. Returns 0; or -ECANCELED if that was so. */
int printer_close(struct printer *printer);

#endif
