/*
 * chat: everybody hears what everybody says. Usage: chat [HOST:PORT [SECONDS]]
 *
 * A line is a message; the first one is the name (1 to 20 letters, digits, '-', '_'). Lines of the
 * server begin with '*'. A line longer than LINE_BYTES is cut, which its sender is told.
 *
 * Each member is two tasks, one that reads and one that writes, which a race ties together: when
 * one ends so does the other. Messages go through one broadcast, whose memory is bounded: nobody
 * waits for a slow reader. Who is more than HISTORY messages behind loses the oldest ones and is
 * told how many; who takes nothing at all for SECONDS (30) is dropped.
 *
 * On SIGINT and SIGTERM members get what was said before, within a moment, and the connection ends.
 */
#include <aio/aio.h>
#include <aio/channel.h>
#include <aio/scope.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 20
#define LINE_BYTES 1000
#define TEXT_BYTES (NAME_BYTES + LINE_BYTES + 32)
#define HISTORY 512
#define OUTPUT_BYTES 16384
#define NAMING_NS AIO_SEC(60)
#define GOODBYE_NS AIO_MS(500)
#define SEND_BUFFER 65536 /* of the kernel, for each member: this bounds it too */

struct message {
    uint64_t from; /* who need not hear it */
    size_t length;
    char text[TEXT_BYTES];
};

struct member {
    struct member *next;
    uint64_t id;
    struct aio_stream *stream;
    struct aio_subscriber *news;
    uint64_t missed; /* messages, as far as we have told */
    size_t length;   /* bytes in input */
    bool skipping;   /* the rest of a line that was cut */
    bool broken;     /* a write did not get to its end */
    char name[NAME_BYTES + 1];
    char input[LINE_BYTES + 2]; /* a line and its end */
};

static struct aio_broadcast *hall;
static struct member *members; /* those who have a name */
static unsigned member_count;
static int64_t patience_ns = AIO_SEC(30);

typedef int receive_fn(struct aio_subscriber *news, void *message);

static int write_text(struct member *member, const char *text, size_t length)
{
    if (member->broken)
        return -EPIPE;
    ssize_t n = aio_stream_write_all(member->stream, text, length, NULL);
    member->broken = n < 0;
    return n < 0 ? (int)n : 0;
}

/* Says something to one member alone. */
static int tell(struct member *member, const char *before, const char *word, const char *after)
{
    char text[TEXT_BYTES];
    int length = snprintf(text, sizeof text, "%s%s%s\n", before, word, after);
    return write_text(member, text, (size_t)length);
}

/* To all but the member itself. */
static void announce(const struct member *member, const char *before, const char *after)
{
    struct message message = {.from = member->id};
    message.length = (size_t)snprintf(message.text, sizeof message.text, "%s%s%s\n", before,
                                      member->name, after);
    int rc = aio_broadcast_send(hall, &message);
    (void)rc; /* the hall is never closed */
}

/* Removes the first count bytes of the input. */
static void drop_input(struct member *member, size_t count)
{
    member->length -= count;
    memmove(member->input, member->input + count, member->length);
}

/* Makes of the first length bytes of the input a line, in which nothing controls a terminal.
 * Returns whether it had to be cut. */
static bool copy_line(const struct member *member, size_t length, char *line)
{
    if (length > 0 && member->input[length - 1] == '\r')
        length--;
    bool cut = length > LINE_BYTES;
    if (cut)
        length = LINE_BYTES;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)member->input[i];
        line[i] = (c < ' ' && c != '\t') || c == 127 ? '?' : (char)c;
    }
    line[length] = '\0';
    return cut;
}

/* Takes the next line from the input; drops what is left of one that was cut. Returns 0 when there
 * is no more than a part of it. */
static int take_line(struct member *member, char *line, bool *cut)
{
    bool rest;
    do {
        const char *end = memchr(member->input, '\n', member->length);
        size_t length = end ? (size_t)(end - member->input) : member->length;
        if (!end && length < sizeof member->input)
            return 0;
        rest = member->skipping;
        member->skipping = !end;
        if (!rest)
            *cut = copy_line(member, length, line);
        drop_input(member, end ? length + 1 : length);
    } while (rest);
    return 1;
}

/* The next line, of at most LINE_BYTES. Returns 1; 0 at the end; or an error. */
static int read_line(struct member *member, char *line)
{
    bool cut;
    while (take_line(member, line, &cut) == 0) {
        ssize_t n = aio_stream_read(member->stream, member->input + member->length,
                                    sizeof member->input - member->length);
        if (n <= 0)
            return (int)n;
        member->length += (size_t)n;
    }
    int rc = cut ? tell(member, "* your line was too long and was cut", "", "") : 0;
    return rc < 0 ? rc : 1;
}

static bool name_is_valid(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t length = strlen(name);
    return length > 0 && length <= NAME_BYTES && strspn(name, allowed) == length;
}

static bool name_is_taken(const char *name)
{
    for (const struct member *other = members; other; other = other->next)
        if (strcmp(other->name, name) == 0)
            return true;
    return false;
}

/* Asks until there is a name. Returns 1; 0 when the member left; or an error. */
static int ask_name(struct member *member)
{
    char line[LINE_BYTES + 1];
    int rc = tell(member, "* your name?", "", "");
    while (rc >= 0 && (rc = read_line(member, line)) > 0) {
        if (!name_is_valid(line))
            rc =
                tell(member, "* a name is 1 to 20 letters, digits, '-' or '_'; your name?", "", "");
        else if (name_is_taken(line))
            rc = tell(member, "* ", line, " is here already; your name?");
        else {
            memcpy(member->name, line, strlen(line) + 1);
            return 1;
        }
    }
    return rc;
}

static int read_lines(void *arg)
{
    struct member *member = arg;
    char line[LINE_BYTES + 1];
    int rc;
    while ((rc = read_line(member, line)) > 0) {
        struct message message = {.from = member->id};
        if (line[0] == '\0')
            continue;
        message.length =
            (size_t)snprintf(message.text, sizeof message.text, "%s: %s\n", member->name, line);
        if ((rc = aio_broadcast_send(hall, &message)) < 0 || (rc = aio_task_yield()) < 0)
            break; /* the yield lets those write who wait for this message */
    }
    return rc;
}

/* Appends the member's next message to out. Returns 1; 0 at the end; or an error. */
static int take_message(struct member *member, char *out, size_t *length, receive_fn *receive)
{
    struct message message;
    int rc = receive(member->news, &message);
    if (rc == -EOVERFLOW) {
        uint64_t missed = aio_subscriber_missed(member->news);
        *length += (size_t)snprintf(out + *length, TEXT_BYTES, "* you missed %llu messages\n",
                                    (unsigned long long)(missed - member->missed));
        member->missed = missed;
        return 1;
    }
    if (rc == 1 && message.from != member->id) {
        memcpy(out + *length, message.text, message.length);
        *length += message.length;
    }
    return rc;
}

/* Passes on a message, and those behind it that fit in the same write. */
static int pass_on(struct member *member, receive_fn *first)
{
    char out[OUTPUT_BYTES];
    size_t length = 0;
    int rc = take_message(member, out, &length, first);
    if (rc <= 0)
        return rc;
    while (rc > 0 && sizeof out - length >= TEXT_BYTES)
        rc = take_message(member, out, &length, aio_subscriber_tryreceive);
    rc = length > 0 ? write_text(member, out, length) : 0;
    return rc < 0 ? rc : 1;
}

static int write_messages(void *arg)
{
    struct member *member = arg;
    int rc;
    while ((rc = pass_on(member, aio_subscriber_receive)) > 0)
        continue;
    AIO_SHIELD /* the member has ended its side, or the server stops: what was said before */
    {
        AIO_TIMEOUT(GOODBYE_NS)
        {
            while (pass_on(member, aio_subscriber_tryreceive) > 0)
                continue;
        }
    }
    return rc;
}

static void enter(struct member *member)
{
    member->next = members;
    members = member;
    member_count++;
    announce(member, "* ", " joined");
}

static void leave(struct member *member)
{
    struct member **at = &members;
    while (*at != member)
        at = &(*at)->next;
    *at = member->next;
    member_count--;
    if (!aio_task_canceled()) /* else all leave */
        announce(member, "* ", " left");
}

/* From the welcome to the end of either direction. */
static void stay(struct member *member)
{
    struct aio_branch branches[] = {
        {.fn = read_lines, .arg = member, .name = "chat reader"},
        {.fn = write_messages, .arg = member, .name = "chat writer"},
    };
    char others[32];
    if (aio_broadcast_subscribe(&member->news, hall) < 0)
        return;
    (void)snprintf(others, sizeof others, "%u", member_count);
    enter(member);
    if (tell(member, "* welcome; others here: ", others, "") == 0) {
        int first = aio_scope_race(branches, 2, AIO_RACE_FIRST_END);
        (void)first;
    }
    leave(member);
    aio_subscriber_free(member->news);
}

static int serve(void *arg)
{
    static uint64_t ids;
    struct member member = {.stream = arg, .id = ++ids};
    int named = 0;
    (void)aio_stream_option_set(member.stream, AIO_STREAM_KEEPALIVE, 1);
    (void)aio_stream_option_set(member.stream, AIO_STREAM_SEND_BUFFER, SEND_BUFFER);
    (void)aio_stream_timeout(member.stream, 0, patience_ns);
    AIO_TIMEOUT(NAMING_NS)
    {
        named = ask_name(&member);
    }
    if (named > 0)
        stay(&member);
    aio_stream_close(member.stream);
    return 0;
}

/* Until it is cancelled, which cancels the members as well. */
static int run(struct aio_listener *listener)
{
    struct aio_stream *peer;
    struct aio_scope scope;
    int rc;
    (void)aio_scope_open(&scope, NULL);
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_scope_spawn(&scope, serve, peer) < 0)
            aio_stream_close(peer);
    aio_listener_close(listener);
    aio_scope_cancel(&scope);
    int joined = aio_scope_join(&scope); /* members never fail */
    return rc < 0 ? rc : joined;
}

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct aio_listener *listener;
    if (argc > 2) {
        long seconds = strtol(argv[2], NULL, 10);
        if (seconds < 1 || seconds > 86400) {
            (void)fprintf(stderr, "usage: chat [HOST:PORT [SECONDS]]\n");
            return 2;
        }
        patience_ns = AIO_SEC(seconds);
    }
    int rc = aio_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_broadcast_open(&hall, sizeof(struct message), HISTORY)) < 0)
        return aio_error_exit(rc, "hall");
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("chat: listening on %s\n", address), fflush(stdout);
    rc = run(listener);
    aio_broadcast_free(hall);
    return aio_error_exit(rc, "accept");
}
