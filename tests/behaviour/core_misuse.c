/*
 * Handles used from another core of their runtime: each call aborts and names both cores.
 */
#define SUITE "core_misuse"
#include "tests/behaviour/cores_tools.h"

#include <aio/buf.h>
#include <aio/directory.h>
#include <aio/file.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What the first core has and the second one misuses. */
struct things {
    struct aio_channel *channel;
    struct aio_broadcast *broadcast;
    struct aio_subscriber *subscriber;
    struct aio_oneshot oneshot;
    struct aio_scope scope;
    struct aio_task *task;
    struct aio_listener *listener;
    struct wire wire;
    struct aio_semaphore semaphore;
    struct aio_mutex mutex;
    struct aio_buffer *buffer;
    struct aio_socket *socket;
    struct aio_file *file;
    struct aio_directory *directory;
};

static struct things things;
static void (*misuse)(void);

/* What waits in its making. */
static bool things_open(void)
{
    things.mutex = (struct aio_mutex)AIO_MUTEX_INIT;
    return aio_mutex_lock(&things.mutex) == 0 && aio_buffer_rent(&things.buffer) == 0 &&
           aio_udp_bind(&things.socket, "127.0.0.1:0", NULL) == 0 &&
           aio_file_open(&things.file, "/dev/null", O_RDONLY, 0) == 0 &&
           aio_directory_open(&things.directory, AT_FDCWD, "/") == 0;
}

static bool things_make(void)
{
    char text[AIO_ADDRESS_TEXT_BYTES];
    things.oneshot = (struct aio_oneshot)AIO_ONESHOT_SIGNAL;
    things.semaphore = (struct aio_semaphore)AIO_SEMAPHORE_INIT(1);
    things.task = task_named("native", task_sleep_forever, NULL);
    return things.task != NULL && wire_listen(&things.listener, text) && wire_open(&things.wire) &&
           aio_channel_open(&things.channel, 0, 1) == 0 &&
           aio_broadcast_open(&things.broadcast, 0, 1) == 0 &&
           aio_broadcast_subscribe(&things.subscriber, things.broadcast) == 0 &&
           aio_oneshot_send(&things.oneshot, NULL) == 0 &&
           aio_semaphore_try(&things.semaphore, 1) == 0 && aio_scope_open(&things.scope, NULL) == 0;
}

static int misuse_there(void *unused)
{
    (void)unused;
    misuse();
    return 0;
}

static int misuse_entry(void *unused)
{
    if (aio_core_index() != 0)
        return cores_serve(unused);
    if (things_make() && things_open())
        (void)!aio_core_call(1, misuse_there, NULL, NULL);
    _exit(1);
}

static int misuse_run(void *unused)
{
    return cores_run(2, misuse_entry, unused);
}

static void check_dies(void (*use)(void), const char *text)
{
    struct child child;
    misuse = use;
    REQUIRE(child_run(&child, misuse_run, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, text);
    child_said(&child, "task 'call'");
}

static void use_send(void)
{
    (void)!aio_channel_send(things.channel, NULL);
}

static void use_receive(void)
{
    (void)!aio_channel_tryreceive(things.channel, NULL);
}

static void use_channel_close(void)
{
    aio_channel_close(things.channel);
}

static void use_channel_free(void)
{
    aio_channel_free(things.channel);
}

static void use_broadcast(void)
{
    (void)!aio_broadcast_send(things.broadcast, NULL);
}

static void use_subscribed(void)
{
    (void)!aio_subscriber_receive(things.subscriber, NULL);
}

static void use_oneshot(void)
{
    (void)!aio_oneshot_receive(&things.oneshot);
}

static void use_oneshot_send(void)
{
    (void)!aio_oneshot_send(&things.oneshot, NULL);
}

static void use_scope_cancel(void)
{
    aio_scope_cancel(&things.scope);
}

static void use_scope(void)
{
    (void)!aio_scope_spawn(&things.scope, cores_serve, NULL);
}

static void use_join(void)
{
    (void)!aio_task_join(things.task, NULL);
}

static void use_cancel(void)
{
    aio_task_cancel(things.task);
}

static void use_select(struct aio_select_case one)
{
    (void)!aio_select_try(&one, 1);
}

static void use_select_join(void)
{
    use_select(aio_select_join(things.task, NULL));
}

static void use_select_send(void)
{
    use_select(aio_select_send(things.channel, NULL));
}

static void use_select_receive(void)
{
    use_select(aio_select_receive(things.channel, NULL));
}

static void use_select_oneshot(void)
{
    use_select(aio_select_oneshot(&things.oneshot));
}

static void use_select_subscriber(void)
{
    use_select(aio_select_subscriber(things.subscriber, NULL));
}

static void use_select_readable(void)
{
    use_select(aio_select_readable(things.wire.near));
}

static void use_select_acceptable(void)
{
    use_select(aio_select_acceptable(things.listener));
}

static void use_accept(void)
{
    struct aio_stream *stream;
    (void)!aio_listener_accept(things.listener, &stream);
}

static void use_close(void)
{
    aio_stream_close(things.wire.near);
}

static void use_semaphore(void)
{
    (void)aio_semaphore_available(&things.semaphore);
}

static void use_mutex(void)
{
    aio_mutex_unlock(&things.mutex);
}

static void use_buffer(void)
{
    aio_buffer_release(things.buffer);
}

static void use_given_buffer(void)
{
    struct wire wire;
    if (wire_open(&wire))
        (void)!aio_stream_write_rent(wire.near, things.buffer);
}

static void use_socket(void)
{
    (void)!aio_socket_send(things.socket, "x", 1);
}

static void use_file(void)
{
    (void)aio_file_size(things.file);
}

static void use_directory(void)
{
    struct aio_directory_entry entry;
    (void)!aio_directory_next(things.directory, &entry);
}

BEHAVIOUR_OUTSIDE(handles_of_another_core)
{
    static const struct {
        void (*use)(void);
        const char *text;
    } uses[] = {
        {use_send, "aio_channel_send: this channel belongs to core 0 and was used on core 1"},
        {use_receive,
         "aio_channel_tryreceive: this channel belongs to core 0 and was used on core 1"},
        {use_channel_close,
         "aio_channel_close: this channel belongs to core 0 and was used on core 1"},
        {use_channel_free,
         "aio_channel_free: this channel belongs to core 0 and was used on core 1"},
        {use_broadcast,
         "aio_broadcast_send: this broadcast belongs to core 0 and was used on core 1"},
        {use_subscribed,
         "aio_subscriber_receive: this broadcast belongs to core 0 and was used on core 1"},
        {use_oneshot, "aio_oneshot_receive: this oneshot belongs to core 0 and was used on core 1"},
        {use_oneshot_send,
         "aio_oneshot_send: this oneshot belongs to core 0 and was used on core 1"},
        {use_scope_cancel, "aio_scope_cancel: the scope belongs to core 0 and was used on core 1"},
        {use_scope, "aio_scope_launch: the scope belongs to core 0 and was used on core 1"},
        {use_join, "aio_task_join: the task belongs to core 0 and was used on core 1"},
        {use_cancel, "aio_task_cancel: the task belongs to core 0 and was used on core 1"},
        {use_select_join, "aio_select_join: the task belongs to core 0 and was used on core 1"},
        {use_select_send, "aio_select_send: this channel belongs to core 0 and was used on core 1"},
        {use_select_receive,
         "aio_select_receive: this channel belongs to core 0 and was used on core 1"},
        {use_select_oneshot,
         "aio_select_oneshot: this oneshot belongs to core 0 and was used on core 1"},
        {use_select_subscriber,
         "aio_select_subscriber: this broadcast belongs to core 0 and was used on core 1"},
        {use_select_readable,
         "aio_select_readable: this stream belongs to core 0 and was used on core 1"},
        {use_select_acceptable,
         "aio_select_acceptable: this listener belongs to core 0 and was used on core 1"},
        {use_accept, "aio_listener_accept: this listener belongs to core 0 and was used on core 1"},
        {use_close, "aio_stream_close: this stream belongs to core 0 and was used on core 1"},
        {use_semaphore, "aio_semaphore_available: this semaphore belongs to another core"},
        {use_mutex, "aio_mutex_unlock: task 'call' does not hold this mutex: task 'main' does"},
        {use_buffer, "aio_buffer_release: this buffer belongs to core 0 and was used on core 1"},
        {use_given_buffer, "aio_stream_write_rent: the buffer is not this task's to give away"},
        {use_socket, "aio_socket_send: this socket belongs to core 0 and was used on core 1"},
        {use_file, "aio_file_stat: this file belongs to core 0 and was used on core 1"},
        {use_directory, "this directory belongs to core 0 and was used on core 1"},
    };
    if (!child_may_have_threads())
        return;
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        check_dies(uses[i].use, uses[i].text);
}
