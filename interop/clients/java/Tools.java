import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import org.apache.kafka.common.utils.Exit;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs Kafka's command line tools, and Java's producer and consumer, one after another in this JVM: starting one for each
 * would take longer than all the tests. Reads lines {"class": ..., "args": [...], "in": ...} and answers each with a line
 * {"status": ..., "out": ..., "err": ...}. The class "Client" is Java's clients.
 */
public final class Tools {

    private static final ObjectMapper JSON = new ObjectMapper();

    /** Thrown where a tool ends the process. */
    private static final class Ended extends RuntimeException {
        Ended() {
            super(null, null, false, false);
        }
    }

    /** What the tool ended the process with first; some catch Ended, take it for a failure and end again. */
    private static Integer ended;

    /** What the tool wants to be done at its end. */
    private static final List<Runnable> hooks = new ArrayList<>();

    private static void end(int status) {
        ended = ended == null ? status : ended;
        throw new Ended();
    }

    public static void main(String[] none) throws Exception {
        Exit.setExitProcedure((status, message) -> end(status));
        Exit.setHaltProcedure((status, message) -> end(status));
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        InputStream in = System.in;
        PrintStream out = System.out;
        BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(JSON.writeValueAsString(run(JSON.readTree(line))));
            out.flush();
        }
    }

    private static ObjectNode run(JsonNode command) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(command.path("in").asText("").getBytes(StandardCharsets.UTF_8)));
        ended = null;
        hooks.clear();
        int status = invoke(command);
        if (command.path("class").asText().endsWith(".ConsoleProducer")) {
            hooks.forEach(Runnable::run); // it sends what it holds in its hook
        }
        System.out.flush();
        System.err.flush();
        return JSON.createObjectNode().put("status", status)
            .put("out", out.toString(StandardCharsets.UTF_8)).put("err", err.toString(StandardCharsets.UTF_8));
    }

    private static int invoke(JsonNode command) {
        List<String> args = new ArrayList<>();
        command.path("args").forEach(a -> args.add(a.asText()));
        String name = command.path("class").asText();
        try {
            Class<?> tool = Class.forName(name);
            tool.getMethod("main", String[].class).invoke(null, (Object) args.toArray(new String[0]));
            return ended == null ? 0 : ended;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Ended) {
                return ended;
            }
            e.getCause().printStackTrace();
            return 1;
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            return 1;
        }
    }
}
