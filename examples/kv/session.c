/*
 * A connection: reads what has come, answers every complete request in it, writes the answers. It
 * waits without a buffer; the one that the requests come in takes the answers back.
 *
 * A key belongs to a core by its hash. Requests whose keys are here are answered at once. Of a
 * pipeline that has others, those of one core are sent there together, in one call, and every
 * core's answers are put in order afterwards: requests of one key keep their order.
 */
#include "examples/kv/kv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INPUT_BYTES (16 * 1024) /* at first */

/* A request that is being answered; reply is another core's part of the answers. */
struct item {
    struct request request;
    const struct command *command;
    uint32_t core;
    struct slice reply; /* of the core's buffer, when it was answered elsewhere */
    bool away;
};

struct session {
    struct aio_stream *stream;
    char *input;
    size_t input_length, input_capacity;
    struct buffer output;
    struct item *items; /* KV_BATCH_MAX; NULL while everything is here */
    int item_count;
    bool closing;
};

static uint32_t core_of(struct slice key)
{
    return (uint32_t)((store_hash(key) >> 32) % aio_core_count());
}

static int flush(struct session *session)
{
    int rc = 0;
    if (session->output.failed)
        return -ENOMEM;
    if (session->output.length > 0)
        rc = (int)aio_stream_write_all(session->stream, session->output.data,
                                       session->output.length, NULL);
    session->output.length = 0;
    return rc < 0 ? rc : 0;
}

/* What another core is asked to do: its requests, and a buffer for its replies. */
struct errand {
    struct session *session;
    uint32_t core;
    struct buffer replies;
};

static int run_errand(void *arg)
{
    struct errand *errand = arg;
    size_t ends[KV_BATCH_MAX];
    for (int i = 0; i < errand->session->item_count; i++) {
        struct item *item = &errand->session->items[i];
        if (item->away && item->core == errand->core)
            (void)item->command->run(kv_store(), &item->request, &errand->replies);
        ends[i] = errand->replies.length;
    }
    if (errand->replies.failed)
        return -ENOMEM;
    for (int i = 0; i < errand->session->item_count; i++) { /* the buffer does not move any more */
        struct item *item = &errand->session->items[i];
        size_t begin = i > 0 ? ends[i - 1] : 0;
        if (item->away && item->core == errand->core)
            item->reply = (struct slice){errand->replies.data + begin, ends[i] - begin};
    }
    return 0;
}

static int send_errand(struct session *session, uint32_t core, struct buffer *replies)
{
    struct errand errand = {session, core, {0}};
    int result = 0;
    int rc = aio_core_call(core, run_errand, &errand, &result);
    *replies = errand.replies;
    return rc < 0 ? rc : result;
}

/* A command of several keys or of all cores: a number to be added up. */
struct count {
    const struct command *command;
    struct request request;
    int64_t number;
};

static int run_count(void *arg)
{
    struct count *count = arg;
    count->number = count->command->run(kv_store(), &count->request, NULL);
    return 0;
}

static int count_on(uint32_t core, const struct command *command, struct slice key, int64_t *total)
{
    struct count count = {.command = command, .request = {.arguments = {{0}, key}, .count = 2}};
    int rc = aio_core_call(core, run_count, &count, NULL);
    *total += count.number;
    return rc;
}

static int answer_count(struct session *session, const struct item *item)
{
    int64_t total = 0;
    int rc = 0;
    if (item->command->place == AT_EACH_KEY)
        for (int i = 1; i < item->request.count && rc == 0; i++)
            rc = count_on(core_of(item->request.arguments[i]), item->command,
                          item->request.arguments[i], &total);
    else
        for (uint32_t core = 0; core < aio_core_count() && rc == 0; core++)
            rc = count_on(core, item->command, (struct slice){0}, &total);
    if (strncmp(item->command->name, "flush", 5) == 0)
        reply_text(&session->output, "+OK");
    else
        reply_number(&session->output, total);
    return rc;
}

static int answer_here(struct session *session, const struct item *item)
{
    if (item->command->place == AT_EACH_KEY || item->command->place == AT_ALL_CORES)
        return answer_count(session, item);
    (void)item->command->run(kv_store(), &item->request, &session->output);
    return 0;
}

static int put_in_order(struct session *session)
{
    int rc = 0;
    for (int i = 0; i < session->item_count && rc == 0; i++) {
        struct item *item = &session->items[i];
        if (item->away)
            buffer_append(&session->output, item->reply.data, item->reply.length);
        else
            rc = answer_here(session, item);
    }
    return rc;
}

/* Answers the requests that were set aside because one of them belongs elsewhere. */
static int answer_batch(struct session *session)
{
    struct buffer replies[AIO_CORES_MAX] = {{0}};
    int rc = 0;
    for (int i = 0; i < session->item_count && rc == 0; i++) {
        uint32_t core = session->items[i].core;
        if (session->items[i].away && replies[core].data == NULL)
            rc = send_errand(session, core, &replies[core]);
    }
    if (rc == 0)
        rc = put_in_order(session);
    for (uint32_t core = 0; core < aio_core_count(); core++)
        buffer_free(&replies[core]);
    session->item_count = 0;
    return rc;
}

/* A request is answered now, unless it or one before it in the batch belongs to another core. */
static int take_item(struct session *session, struct item *item)
{
    bool away = item->command->place == AT_ITS_KEY &&
                (item->core = core_of(item->request.arguments[1])) != aio_core_index();
    if (!away && session->item_count == 0)
        return answer_here(session, item);
    if (session->items == NULL)
        session->items = malloc(KV_BATCH_MAX * sizeof *session->items);
    if (session->items == NULL)
        return -ENOMEM;
    item->away = away;
    session->items[session->item_count++] = *item;
    return session->item_count == KV_BATCH_MAX ? answer_batch(session) : 0;
}

static bool count_fits(const struct command *command, int count)
{
    return count >= command->arguments_min &&
           (command->arguments_max == 0 || count <= command->arguments_max);
}

static int refuse(struct session *session, const struct request *request, const char *why)
{
    char line[160];
    int rc = session->item_count > 0 ? answer_batch(session) : 0;
    struct slice name = request->arguments[0];
    (void)snprintf(line, sizeof line, "-ERR %s '%.*s'", why,
                   (int)(name.length < 64 ? name.length : 64), name.data);
    for (char *at = line; *at != '\0'; at++)
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    reply_text(&session->output, line);
    return rc;
}

static int take_request(struct session *session, struct item *item)
{
    if (item->request.count == 0)
        return 0;
    item->command = command_find(&item->request);
    if (item->command == NULL)
        return refuse(session, &item->request, "unknown command");
    if (!count_fits(item->command, item->request.count))
        return refuse(session, &item->request, "wrong number of arguments for");
    session->closing = session->closing || strcmp(item->command->name, "quit") == 0;
    return take_item(session, item);
}

static int refuse_protocol(struct session *session, const char *problem)
{
    char line[100];
    (void)snprintf(line, sizeof line, "-ERR Protocol error: %s", problem);
    reply_text(&session->output, line);
    session->closing = true;
    return 0;
}

/* Every complete request of these bytes; *taken is how many of them that were. */
static int take_requests(struct session *session, const char *data, size_t size, size_t *taken)
{
    const char *problem = NULL;
    struct item item;
    int rc = 0;
    *taken = 0;
    while (rc == 0 && !session->closing) {
        long n = resp_parse(data + *taken, size - *taken, &item.request, &problem);
        if (n == 0)
            break;
        rc = n < 0 ? refuse_protocol(session, problem) : take_request(session, &item);
        *taken += n > 0 ? (size_t)n : 0;
        if (rc == 0 && session->output.length >= KV_OUTPUT_FLUSH && session->item_count == 0)
            rc = flush(session);
    }
    return rc == 0 && session->item_count > 0 ? answer_batch(session) : rc;
}

static int make_room(struct session *session, size_t size)
{
    size_t capacity = session->input_capacity > 0 ? session->input_capacity : INPUT_BYTES;
    while (capacity < session->input_length + size)
        capacity *= 2;
    if (capacity > KV_REQUEST_MAX)
        return -EMSGSIZE;
    if (capacity == session->input_capacity)
        return 0;
    char *input = realloc(session->input, capacity);
    if (input == NULL)
        return -ENOMEM;
    session->input = input;
    session->input_capacity = capacity;
    return 0;
}

/* A request that came in parts is put together in the input; what is left goes to its front. */
static int take_parts(struct session *session, const char *data, size_t size)
{
    size_t taken;
    int rc = make_room(session, size);
    if (rc < 0)
        return rc;
    memcpy(session->input + session->input_length, data, size);
    session->input_length += size;
    rc = take_requests(session, session->input, session->input_length, &taken);
    session->input_length -= taken;
    memmove(session->input, session->input + taken, session->input_length);
    return rc;
}

/* Mostly all requests are complete, and are answered where they were received. */
static int take_input(struct session *session, const char *data, size_t size)
{
    size_t taken;
    if (session->input_length > 0)
        return take_parts(session, data, size);
    int rc = take_requests(session, data, size, &taken);
    size_t left = size - taken;
    if (rc < 0 || left == 0 || session->closing)
        return rc;
    rc = make_room(session, left);
    if (rc == 0) {
        memcpy(session->input, data + taken, left);
        session->input_length = left;
    }
    return rc;
}

/* The buffer that brought the requests takes the answers back, if they fit; it is sent without
 * waiting for it. */
static int answer_in(struct session *session, struct aio_buffer *buffer)
{
    struct buffer *output = &session->output;
    if (output->failed || output->length == 0 || output->length > aio_buffer_room(buffer)) {
        aio_buffer_release(buffer);
        return flush(session);
    }
    memcpy(aio_buffer_data(buffer), output->data, output->length);
    (void)aio_buffer_resize(buffer, output->length); /* it has the room */
    output->length = 0;
    return aio_stream_write_rent(session->stream, buffer);
}

static int step(struct session *session)
{
    struct aio_buffer *buffer;
    ssize_t n = aio_stream_read_rent(session->stream, &buffer);
    if (n <= 0)
        return n < 0 ? (int)n : -ECONNRESET; /* the end */
    int rc = take_input(session, aio_buffer_data(buffer), (size_t)n);
    if (rc == 0)
        return answer_in(session, buffer);
    aio_buffer_release(buffer);
    return rc;
}

int session_run(void *stream)
{
    struct session session = {.stream = stream};
    int rc = 0;
    while (rc == 0 && !session.closing)
        rc = step(&session);
    if (rc == 0)
        rc = aio_stream_flush(session.stream);
    aio_stream_close(session.stream);
    buffer_free(&session.output);
    free(session.items);
    free(session.input);
    return rc;
}
