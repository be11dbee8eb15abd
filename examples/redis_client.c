/* redis_client: a client library that knows nothing of AIO, run by tasks. hiredis is put into its
 * non-blocking mode; wherever it would have to wait, aio_poll_wait waits for its descriptor, and
 * only for that task. Each worker has a connection of its own and counts up a key, reading and
 * writing others; a listener hears what the workers publish.
 * Usage: redis_client [HOST:PORT [WORKERS [ROUNDS]]] */
#include <aio/aio.h>
#include <aio/poll.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANNEL "aio:example:channel"
#define COUNTER "aio:example:counter"
#define PATIENCE AIO_SEC(2) /* with the server, for each thing that it has to do */

static char host[64];
static int port;
static int workers = 4, rounds = 100;

/* What hiredis says went wrong, as an error of ours. */
static int failure(const redisContext *redis)
{
    if (redis->err == REDIS_ERR_IO && errno != 0)
        return -errno;
    return redis->err == REDIS_ERR_EOF ? -ECONNRESET : -EPROTO;
}

/* The connection is under way when hiredis gives it to us; it stands once it can be written to. */
static int open_redis(redisContext **out)
{
    int error = 0, rc = -ETIMEDOUT;
    socklen_t length = sizeof error;
    redisContext *redis = redisConnectNonBlock(host, port);
    if (redis == NULL)
        return -ENOMEM;
    *out = redis;
    if (redis->err != 0)
        return failure(redis);
    AIO_TIMEOUT(PATIENCE)
    {
        rc = aio_poll_wait(redis->fd, POLLOUT);
    }
    if (rc < 0)
        return rc;
    if (getsockopt(redis->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

/* Writes what hiredis has gathered. */
static int flush(redisContext *redis)
{
    for (int done = 0;;) {
        if (redisBufferWrite(redis, &done) != REDIS_OK)
            return failure(redis);
        if (done)
            return 0;
        int rc = aio_poll_wait(redis->fd, POLLOUT);
        if (rc < 0)
            return rc;
    }
}

/* The next reply, waited for. */
static int receive(redisContext *redis, redisReply **out)
{
    for (void *reply = NULL;;) {
        if (redisGetReplyFromReader(redis, &reply) != REDIS_OK)
            return failure(redis);
        if ((*out = reply) != NULL)
            return 0;
        int rc = aio_poll_wait(redis->fd, POLLIN);
        if (rc < 0)
            return rc;
        if (redisBufferRead(redis) != REDIS_OK)
            return failure(redis);
    }
}

/* Runs a command that was appended. The reply's integer goes to *number, its text is compared. */
static int finish(redisContext *redis, long long *number, const char *text)
{
    redisReply *reply = NULL;
    int rc = -ETIMEDOUT;
    AIO_TIMEOUT(PATIENCE)
    {
        rc = flush(redis);
        if (rc == 0)
            rc = receive(redis, &reply);
    }
    if (rc < 0)
        return rc;
    if (reply->type == REDIS_REPLY_ERROR)
        rc = -EPROTO;
    else if (text != NULL && (reply->str == NULL || strcmp(reply->str, text) != 0))
        rc = -EBADMSG;
    else if (number != NULL)
        *number = reply->integer;
    freeReplyObject(reply);
    return rc;
}

static int one_round(redisContext *redis, int worker, int round)
{
    char text[32];
    snprintf(text, sizeof text, "%d of %d", round, worker);
    redisAppendCommand(redis, "SET aio:example:%d %s", worker, text);
    int rc = finish(redis, NULL, "OK");
    redisAppendCommand(redis, "GET aio:example:%d", worker);
    rc = rc < 0 ? rc : finish(redis, NULL, text);
    redisAppendCommand(redis, "INCR " COUNTER);
    rc = rc < 0 ? rc : finish(redis, NULL, NULL);
    redisAppendCommand(redis, "PUBLISH " CHANNEL " %d", worker);
    return rc < 0 ? rc : finish(redis, NULL, NULL);
}

static int work(void *arg)
{
    const int *number = arg;
    redisContext *redis = NULL;
    int rc = open_redis(&redis);
    for (int i = 0; i < rounds && rc >= 0; i++)
        rc = one_round(redis, *number, i);
    redisFree(redis);
    return rc;
}

/* Hears every message that the workers publish. */
static int listen_to_all(void *arg)
{
    redisContext *redis = arg;
    redisReply *reply;
    int rc = 0, heard = 0;
    for (; heard < workers * rounds && rc >= 0; heard++)
        if ((rc = receive(redis, &reply)) == 0)
            freeReplyObject(reply);
    return rc < 0 ? rc : heard;
}

/* Ends a task that uses our frame, whatever is pending for us. */
static void stop(struct aio_task *task)
{
    aio_task_cancel(task);
    AIO_SHIELD
    {
        if (aio_task_join(task, NULL) < 0)
            abort(); /* it can only be joined twice */
    }
}

/* All has been published: what the listener has not heard yet comes now. */
static int join_listener(struct aio_task *listener, int *heard)
{
    int rc = -ETIMEDOUT;
    AIO_TIMEOUT(PATIENCE)
    {
        rc = aio_task_join(listener, heard);
    }
    return rc;
}

/* The first failure, or our own cancellation, ends them all. */
static int run_workers(void)
{
    struct aio_task *tasks[64];
    int numbers[64], result, rc = 0, started = 0;
    for (; started < workers && rc == 0; started += rc == 0) {
        numbers[started] = started;
        rc = aio_task_spawn(&tasks[started], work, &numbers[started], NULL);
    }
    for (int i = 0; i < started; i++) {
        if (rc == 0 && (rc = aio_task_join(tasks[i], &result)) == 0)
            rc = result;
        else
            stop(tasks[i]);
    }
    return rc;
}

/* The listener is subscribed before the first worker publishes. */
static int run(redisContext *redis, redisContext *listening)
{
    struct aio_task *listener;
    long long counted = 0;
    int heard = 0;
    redisAppendCommand(redis, "DEL " COUNTER);
    int rc = finish(redis, NULL, NULL);
    redisAppendCommand(listening, "SUBSCRIBE " CHANNEL);
    rc = rc < 0 ? rc : finish(listening, NULL, NULL);
    rc = rc < 0 ? rc : aio_task_spawn(&listener, listen_to_all, listening, NULL);
    if (rc < 0)
        return rc;
    if ((rc = run_workers()) < 0 || (rc = join_listener(listener, &heard)) < 0) {
        stop(listener);
        return rc;
    }
    redisAppendCommand(redis, "INCRBY " COUNTER " 0");
    rc = heard < 0 ? heard : finish(redis, &counted, NULL);
    if (rc == 0)
        printf("redis_client: %d workers counted to %lld, %d messages were heard\n", workers,
               counted, heard);
    return rc;
}

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:6379";
    redisContext *redis = NULL, *listening = NULL;
    struct aio_address parsed;
    int rc = aio_address_parse(&parsed, address);
    workers = argc > 2 ? atoi(argv[2]) : workers;
    rounds = argc > 3 ? atoi(argv[3]) : rounds;
    if (rc < 0 || workers < 1 || workers > 64 || rounds < 1)
        return aio_error_exit(-EINVAL, "usage: redis_client [HOST:PORT [WORKERS [ROUNDS]]]");
    int bracket = address[0] == '['; /* which hiredis does not know */
    int length = (int)(strrchr(address, ':') - address) - 2 * bracket;
    snprintf(host, sizeof host, "%.*s", length, address + bracket);
    port = aio_address_port(&parsed);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    if ((rc = open_redis(&redis)) == 0 && (rc = open_redis(&listening)) == 0)
        rc = run(redis, listening);
    redisFree(redis);
    redisFree(listening);
    return aio_error_exit(rc, address);
}
