import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

/**
 * Encodes messages with Apache Kafka's own classes: each line of input is a class name, a version and the message as
 * JSON, separated by tabs; each line of output is what Kafka's encoder writes, in hex, or an error.
 */
public final class Encoders {
    public static void main(String[] args) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        PrintStream out = new PrintStream(System.out, false);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split("\t", 3);
            short version = Short.parseShort(parts[1]);
            try {
                Class<?> converter = Class.forName(parts[0] + "JsonConverter");
                Message message = (Message) converter.getMethod("read", JsonNode.class, short.class)
                    .invoke(null, mapper.readTree(parts[2]), version);
                ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                out.println(HexFormat.of().formatHex(bytes));
            } catch (java.lang.reflect.InvocationTargetException e) {
                out.println("error " + e.getCause());
            } catch (Exception e) {
                out.println("error " + e);
            }
        }
        out.flush();
    }
}
