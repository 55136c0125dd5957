package io.tracecompletion.client;

import io.grpc.Attributes;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A call that is repeated while the server is busy. It keeps what the caller did (headers, the
 * message, requests) and does the same to the next try. The caller sees a single call. It keeps one
 * message in memory and no thread: a pause is an entry in the JDK's own timer.
 */
final class BusyRetryCall<Q, A> extends ClientCall<Q, A> {
  /** Most tries of one call, even if the deadline would allow more. */
  static final int MAX_ATTEMPTS = 5;

  private final MethodDescriptor<Q, A> method;
  private final CallOptions options;
  private final Channel channel;
  private final Pauses pauses;
  private final Context context = Context.current();
  /** During a pause no call exists that would notice the end of the context. */
  private final Context.CancellationListener contextEnd =
      ended -> endPause(Contexts.statusFromCancelled(ended));

  // Guarded by this.
  private ClientCall<Q, A> current;
  private int attempt = 1;
  /** Whether the call waits between two tries. Then {@link #current} has ended. */
  private boolean pausing;

  private boolean cancelled;

  // What the caller has done so far.
  private Listener<A> listener;
  private Metadata headers;
  private int requested;
  private Q message;
  private boolean halfClosed;
  private Boolean compression;

  BusyRetryCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel channel, Pauses pauses) {
    this.method = method;
    this.options = options;
    this.channel = channel;
    this.pauses = pauses;
    this.current = channel.newCall(method, options);
  }

  @Override
  public synchronized void start(Listener<A> listener, Metadata headers) {
    this.listener = listener;
    this.headers = copy(headers);
    current.start(new Attempt(), headers);
  }

  @Override
  public synchronized void request(int count) {
    requested = requested > Integer.MAX_VALUE - count ? Integer.MAX_VALUE : requested + count;
    if (!pausing) {
      current.request(count);
    }
  }

  @Override
  public synchronized void sendMessage(Q message) {
    this.message = message;
    if (!pausing) {
      current.sendMessage(message);
    }
  }

  @Override
  public synchronized void halfClose() {
    halfClosed = true;
    if (!pausing) {
      current.halfClose();
    }
  }

  @Override
  public void cancel(String text, Throwable cause) {
    synchronized (this) {
      cancelled = true;
      if (!pausing) {
        current.cancel(text, cause);
        return;
      }
    }
    endPause(Status.CANCELLED.withDescription(text).withCause(cause));
  }

  /**
   * Ends the call if it waits for its next try. During a pause no other call exists that could
   * report the end.
   */
  private void endPause(Status status) {
    synchronized (this) {
      if (!pausing) {
        return;
      }
      pausing = false;
    }
    context.removeListener(contextEnd);
    listener.onClose(status, new Metadata());
  }

  @Override
  public synchronized boolean isReady() {
    return !pausing && current.isReady();
  }

  @Override
  public synchronized void setMessageCompression(boolean enabled) {
    compression = enabled;
    current.setMessageCompression(enabled);
  }

  @Override
  public synchronized Attributes getAttributes() {
    return current.getAttributes();
  }

  /** Plans another try if that is allowed, and returns whether it did. */
  private boolean again(Duration pause) {
    if (!mayTry(pause)) {
      return false;
    }
    context.addListener(contextEnd, Runnable::run);
    pauses.then(pause, context.wrap(this::restart));
    return true;
  }

  private synchronized boolean mayTry(Duration pause) {
    Deadline deadline = TraceCompletionClient.sooner(options.getDeadline(), context.getDeadline());
    boolean late =
        deadline != null && deadline.timeRemaining(TimeUnit.NANOSECONDS) <= Pause.nanos(pause);
    if (cancelled || attempt == MAX_ATTEMPTS || late) {
      return false;
    }
    attempt++;
    pausing = true;
    return true;
  }

  private void restart() {
    context.removeListener(contextEnd);
    try {
      tryAgain();
    } catch (RuntimeException e) {
      listener.onClose(Status.fromThrowable(e), new Metadata());
    }
  }

  private synchronized void tryAgain() {
    if (!pausing) {
      return;
    }
    pausing = false;
    current = channel.newCall(method, options);
    current.start(new Attempt(), copy(headers));
    if (compression != null) {
      current.setMessageCompression(compression);
    }
    if (requested > 0) {
      current.request(requested);
    }
    if (message != null) {
      current.sendMessage(message);
    }
    if (halfClosed) {
      current.halfClose();
    }
  }

  private static Metadata copy(Metadata headers) {
    Metadata copy = new Metadata();
    copy.merge(headers);
    return copy;
  }

  /** Passes the events of one try to the caller, except its end if another try follows. */
  private final class Attempt extends Listener<A> {
    private boolean answered;

    @Override
    public void onHeaders(Metadata headers) {
      answered = true;
      listener.onHeaders(headers);
    }

    @Override
    public void onMessage(A message) {
      answered = true;
      listener.onMessage(message);
    }

    @Override
    public void onReady() {
      listener.onReady();
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      if (!answered && status.getCode() == Status.Code.RESOURCE_EXHAUSTED) {
        Fault fault = Fault.of(status, trailers);
        if (fault.busy() && again(Pause.spread(fault.retryDelay()))) {
          return;
        }
      }
      listener.onClose(status, trailers);
    }
  }
}
